"""Work in threads with the results in order and a bounded number of them waiting.

What is done in them leaves the interpreter's lock: Arrow's parsers and encoders, files and sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from dativo_ingest.ending import let_go

Item = TypeVar("Item")
Result = TypeVar("Result")
_END: Any = object()


def in_order(items: Iterator[Item], work: Callable[[Item], Result], threads: int) -> Iterator[Result]:
    """Yield ``work(item)`` for each item; at most ``threads + 1`` items are taken ahead."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        let_go(pool, waiting)


def ahead(items: Iterable[Item], count: int) -> Generator[Item, None, None]:
    """Yield the items while a thread makes the next ``count``; a generator is closed when nobody wants more."""
    source, context = iter(items), copy_context()
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def make() -> Any:
        return next(source, _END)

    waiting = deque(pool.submit(context.run, make) for _ in range(count))
    try:
        while (item := _first(waiting)) is not _END:
            waiting.append(pool.submit(context.run, make))
            yield item
    finally:
        let_go(pool, waiting)
        if isinstance(source, Generator):
            source.close()


def _first(waiting: deque[Future[Result]]) -> Result:
    """Take the first result; what is interrupted while it is awaited stays known."""
    result = waiting[0].result()
    waiting.popleft()
    return result
