"""Work ahead: in order, bounded, and with an end whoever stops first."""

import threading
from contextvars import ContextVar

import pytest

from dativo_dagster.formats.in_order import ahead, in_order


def test_results_come_in_the_order_of_the_items():
    gate = threading.Event()

    def work(n):
        if n == 0:
            gate.wait(5)
        else:
            gate.set()
        return n * n

    assert list(in_order(iter(range(20)), work, threads=2)) == [n * n for n in range(20)]


@pytest.mark.parametrize("run", [lambda items: in_order(items, str, 2), lambda items: ahead(items, 3)])
def test_only_so_many_items_are_taken_ahead(run):
    taken = []

    def items():
        for n in range(100):
            taken.append(n)
            yield n

    results = run(items())
    next(results)
    results.close()
    assert len(taken) <= 4


def test_ahead_gives_every_item():
    assert list(ahead(range(10), 3)) == list(range(10))
    assert list(ahead([], 3)) == []


def test_an_error_of_the_maker_comes_after_the_items_before_it():
    def items():
        yield 1
        raise KeyError("x")

    found = ahead(items(), 3)
    assert next(found) == 1
    with pytest.raises(KeyError):
        next(found)


def test_a_maker_is_closed_when_nobody_wants_more():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    found = ahead(items(), 2)
    next(found)
    found.close()
    assert closed == [True]


def test_the_maker_sees_the_context_of_its_consumer():
    seen = ContextVar("seen", default="nothing")
    seen.set("something")
    assert list(ahead((seen.get() for _ in range(2)), 1)) == ["something"] * 2
