from types import SimpleNamespace

from dativo_dagster.state import patience
from dativo_dagster.state.patience import tries


def test_the_first_try_is_at_once_and_there_is_always_one():
    assert list(tries(0)) == [1]


def test_waits_grow_to_a_limit_and_end_with_the_patience(monkeypatch):
    now, waits = [0.0], []

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    # Its own names, and not what is in the modules: other threads of this process wait by the clock, too.
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    monkeypatch.setattr(patience, "random", SimpleNamespace(uniform=lambda low, high: high))

    assert list(tries(60)) == list(range(1, len(waits) + 1))
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(waits) == patience.LONGEST_WAIT_SECONDS
    assert 60 <= now[0] <= 60 + patience.LONGEST_WAIT_SECONDS + 1
