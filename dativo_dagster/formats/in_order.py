"""Work in threads with the results in order and a bounded number of them waiting.

What is done in them leaves the interpreter's lock: Arrow's parsers and encoders, files and sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

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
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ahead(items: Iterable[Item], count: int) -> Generator[Item, None, None]:
    """Yield the items while a thread makes the next ``count``; a generator is closed when nobody wants more."""
    source, context = iter(items), copy_context()
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def make() -> Any:
        return next(source, _END)

    waiting = deque(pool.submit(context.run, make) for _ in range(count))
    try:
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(context.run, make))
            yield item
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(source, Generator):
            source.close()
