"""What each use leaves behind is seen, whatever else of the process ends or begins meanwhile."""

from __future__ import annotations

import threading

import pytest

from dativo_ingest.testing.checks import Failed
from dativo_ingest.testing.growth import REPEATS, left_open, steady


@pytest.fixture
def thread():
    """Start threads that end at once when their event is set, or with the test."""
    over = []

    def start():
        end = threading.Event()
        over.append(end)
        started = threading.Thread(target=end.wait, daemon=True)
        started.start()
        return end, started

    yield start
    for end in over:
        end.set()


def test_a_thread_of_each_use_is_seen_where_older_ones_end_meanwhile(thread):
    older = [thread() for _ in range(2 * REPEATS)]
    uses = []

    def work():
        uses.append(thread())
        if len(uses) == 4:
            for end, started in older:
                end.set()
                started.join()

    with pytest.raises(Failed, match="4 threads are left"):
        left_open(work)


def test_work_that_ends_what_it_starts_leaves_nothing(thread):
    def work():
        end, started = thread()
        end.set()
        started.join()

    assert "looked at" in left_open(work)


def test_a_leak_is_seen_where_memory_of_before_is_given_back_meanwhile():
    older, kept = [bytearray(b"x") * 300_000_000], []

    def work():
        kept.append(bytearray(b"x") * 30_000_000)
        if len(kept) == 3:
            older.clear()
        return len(kept[-1])

    with pytest.raises(Failed, match="again and again"):
        steady(work, "reads")


def test_what_is_let_go_of_is_no_leak():
    assert "more after" in steady(lambda: len(bytearray(b"x") * 30_000_000), "reads")
