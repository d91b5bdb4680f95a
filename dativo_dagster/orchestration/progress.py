"""Progress in the event log: few lines, because Dagster keeps every one of them for good."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dativo_dagster.orchestration.events import speed

if TYPE_CHECKING:
    from dativo_ingest.result import Progress

SECONDS_BETWEEN_LINES = 5.0


class ProgressLog:
    """Receives the progress of a stream and writes a line of it every few seconds.

    Args:
        write: Takes a line.
        clock: Gives seconds.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._last = clock()

    def __call__(self, progress: Progress) -> None:
        """Write a line if the last one is old enough; the caller sees to it that calls come one at a time."""
        now = self._clock()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._write(line(progress))


def line(progress: Progress) -> str:
    """Give progress as one line: rows, rows and megabytes a second, percent where a total is known."""
    parts = [f"{progress.stream}: {progress.rows:,} rows"]
    if progress.seconds > 0:
        parts.append(f"{progress.rows / progress.seconds:,.0f} rows/s")
    if (rate := speed(progress.bytes, progress.seconds)) is not None:
        parts.append(f"{rate:g} MB/s")
    if progress.total_units > 1:
        parts.append(f"{progress.units} of {progress.total_units} units")
    if progress.total_bytes and progress.bytes:
        parts.append(f"{min(100, 100 * progress.bytes / progress.total_bytes):.0f} %")
    return ", ".join(parts)
