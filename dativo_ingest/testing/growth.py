"""Whether memory, or what is open, grows while something is done again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dativo_ingest.testing import footprint
from dativo_ingest.testing.checks import Failed

REPEATS = 4
MEASURED_BYTES = 64_000_000
MEASURED_SECONDS = 1.0
MEASURED_READS = 200
ROUNDS = 4
FLAT_ROUNDS = 2
SLACK_BYTES = 16_000_000
SAMPLE_SECONDS = 0.01


class Peak:
    """The most memory that was resident at once, looked at every hundredth of a second."""

    def __init__(self) -> None:
        self.bytes = footprint.resident()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> int:
        """Give the most that was seen."""
        self._end.set()
        self._thread.join()
        return self.bytes

    def _watch(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, footprint.resident())


def steady(work: Callable[[], int], what: str) -> str:
    """Do something that moves bytes again and again, in rounds, and look whether memory grows in nearly all.

    In some it may: an allocator keeps what was freed, until it has enough. And one round without growth is no proof:
    what the process had used before, or a child of it, may give memory back meanwhile.

    Raises:
        Failed: It does.
    """
    work()
    flat = 0
    for _ in range(ROUNDS):
        before = footprint.memory()
        times, size = _repeated(work)
        grown = footprint.memory() - before
        flat += grown <= SLACK_BYTES + size // 4
        if flat == FLAT_ROUNDS:
            return f"{max(grown, 0) / 1e6:,.1f} MB more after {times} {what} of {size / 1e6:,.0f} MB together"
    raise Failed(
        f"memory has grown by {grown / 1e6:,.0f} MB after {times} {what} of the same, and again and again",
        "release what has been read or written: buffers, pages and batches that are kept in lists of the plugin",
    )


def _repeated(work: Callable[[], int]) -> tuple[int, int]:
    """Give how many times and how many bytes: until enough was moved to see a leak."""
    size, times, until = 0, 0, time.monotonic() + MEASURED_SECONDS
    while times < MEASURED_READS and size < MEASURED_BYTES and time.monotonic() < until:
        size += work()
        times += 1
    return times, size


def left_open(work: Callable[[], None]) -> str:
    """Look for things of which each call leaves one or more behind.

    Only what is new counts: something older that ends meanwhile does not make up for it.

    Raises:
        Failed: There are such.
    """
    for _ in range(2):
        work()
    more: list[str] = []
    for _ in range(2):  # what leaves things behind does so again; others of this process may open some once
        before = footprint.held()
        for _ in range(REPEATS):
            work()
        after = footprint.held()
        kinds = {
            "open files or connections": len(after.files - before.files),
            "threads": len(after.threads - before.threads),
            "child processes": len(after.children - before.children),
        }
        more = [f"{count} {kind}" for kind, count in kinds.items() if count >= REPEATS]
        if not more:
            return f"looked at after {REPEATS} uses"
    raise Failed(f"{' and '.join(more)} are left by {REPEATS} uses", "close them when the reader or writer is closed")
