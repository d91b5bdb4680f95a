"""What is read from is closed when its reader ends, and closing it never waits for a thread's own end."""

from __future__ import annotations

import gc
import io
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from dativo_dagster.formats.csv import Dialect, read_csv
from dativo_dagster.formats.in_order import ahead, in_order
from dativo_ingest.ending import closed_after
from dativo_ingest.model import Stream
from dativo_ingest.native.errors import Call
from dativo_ingest.native_json.batches import Parser, parsed

WAYS: dict[str, Callable[[], Iterator[Any]]] = {
    "ahead": lambda: ahead(iter(range(100)), 2),
    "in order": lambda: in_order(iter(range(100)), str, 2),
    "CSV": lambda: read_csv(io.BytesIO(b"id\n" + b"1\n" * 1000), "a.csv", Dialect(), block_bytes=100),
    "JSON of a library": lambda: parsed(
        [b'[{"id": 1}]'] * 10, Parser(Stream(name="a", columns=()), Call(Path("lib.so"), "read"))
    ),
}


class Lost:
    """What only a garbage collection finds."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self.batches, self.myself = batches, self


@pytest.mark.parametrize("way", WAYS)
def test_what_nobody_closed_is_collected_wherever_a_thread_is(way: str) -> None:
    def collect() -> None:
        with getattr(threading, "_shutdown_locks_lock", nullcontext()):  # Python 3.13 has none
            gc.collect()

    lost = Lost(WAYS[way]())
    next(lost.batches)
    closed = weakref.ref(lost)
    del lost
    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert closed() is None


def read_one(rows: Iterator[int]) -> None:
    with closed_after(rows) as given:
        for _ in given:
            raise ValueError("of the reader")


def test_an_error_of_whoever_reads_closes_what_was_read() -> None:
    ends = []

    def rows() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            ends.append("closed")

    kept = rows()  # as a traceback keeps it
    with pytest.raises(ValueError, match="of the reader"):
        read_one(kept)
    assert ends == ["closed"]


def test_what_fails_in_closing_after_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def rows() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("the file went away")

    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="of the reader"):
        read_one(rows())
    assert "the file went away" in caplog.text
