"""A verb ends when its time runs out, when the host says so, and when the host is gone."""

from __future__ import annotations

import threading

import pytest

from dativo_ingest.exceptions import ConnectionError as StorageError
from dativo_ingest.exceptions import DativoError
from dativo_ingest.functions.watch import Watch


class Shelf:
    def __init__(self, *names, away=False):
        self.names, self.away = names, away

    def has(self, name):
        if self.away:
            raise StorageError("away", "STORAGE_UNREACHABLE")
        return name in self.names


@pytest.mark.parametrize(
    ("shelf", "remaining", "code"),
    [
        (Shelf("owner.json"), [10.0, 0.0], "FUNCTION_TIMEOUT"),
        (Shelf("owner.json", "cancel"), [3.0, 3.0], "CANCELLED"),
        (Shelf(), [3.0, 3.0], "CANCELLED"),
        (Shelf(away=True), [10.0, 0.0], "FUNCTION_TIMEOUT"),
    ],
)
def test_it_ends_the_verb_and_says_why(shelf, remaining, code):
    ended, left = threading.Event(), iter(remaining)
    last = remaining[-1]
    watch = Watch(shelf, lambda: next(left, last), ended.set)
    watch.check()
    watch.start()
    assert ended.wait(10)
    watch.stop()
    with pytest.raises(DativoError) as caught:
        watch.check()
    assert caught.value.error_code == code


def test_a_store_that_is_away_for_a_moment_ends_nothing():
    watch = Watch(Shelf(away=True), lambda: 100.0, lambda: pytest.fail("ended"))
    assert watch._look() is None


def test_a_read_is_told_to_come_to_an_end_a_while_before_it_has_to():
    told, left = [], iter([100.0, 100.0, 60.0])
    ended = threading.Event()
    watch = Watch(Shelf("owner.json"), lambda: next(left, 0.0 if told else 29.0), ended.set, lambda: told.append(1))
    assert not watch.late
    watch.start()
    assert ended.wait(10)
    watch.stop()
    assert told == [1]
    assert watch.late
