"""How what is read from ends: at once when nobody reads on, and without a wait for a thread's own end.

What nobody closes, Python's garbage collection closes, in whichever thread it happens to run and wherever that is.
Up to Python 3.12 that may be where `threading` holds the lock that `Thread.join` takes: a generator that joins a
thread when it is closed then waits for itself, and the process for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")


@contextmanager
def closed_after(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Iterate, and close what is iterated over when that ends, if it can be closed.

    An error of whoever reads holds, by its traceback, all that it was reading from. It is the one that is raised: what
    goes wrong in closing after it is logged.
    """
    iterator = iter(items)
    close = getattr(iterator, "close", _nothing)
    try:
        yield iterator
    except BaseException:
        try:
            close()
        except Exception as error:  # noqa: BLE001 - logged: another error is on its way
            logging.getLogger(__name__).warning("closing what was read from failed: %s", error)
        raise
    close()


def _nothing() -> None:
    """Close what needs no closing."""


def let_go(pool: Executor, waiting: Iterable[Future[Any]]) -> None:
    """Begin nothing more of what waits, and wait for what is being done; the pool's threads end by themselves."""
    pool.shutdown(wait=False, cancel_futures=True)
    wait([each for each in waiting if not each.cancelled()])
