"""What a reader promises about its conduct: being stopped, memory, threads, errors, what it leaves behind."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

from dativo_ingest.testing import footprint
from dativo_ingest.testing.checks import Check, Failed, NotApplicable, check, coded, proper
from dativo_ingest.testing.growth import Peak, left_open, steady
from dativo_ingest.testing.reader_checks import answers, batches_valid, ends, two_reads_equal
from dativo_ingest.testing.reading import all_batches, batches, compared, planned, rows_of

if TYPE_CHECKING:
    from dativo_ingest.model import Stream, Unit, Window
    from dativo_ingest.protocols import Reader
    from dativo_ingest.testing.cases import ReaderCase

KEPT_BYTES = 64_000_000


@check(batches_valid)
def stops(case: ReaderCase) -> str:
    """A read that is given up half-way ends soon, and the next one is whole.

    A run is cancelled, or another unit of it fails; the plugin must let go of the source and of the thread.
    """
    with planned(case) as (reader, stream, window):
        unit = next(iter(window.units), None)
        if unit is None:
            raise NotApplicable("there is nothing to read")
        whole = rows_of(batches(case, reader, stream, unit))
        seconds = _given_up(reader, stream, unit)
        if seconds > case.stop_seconds:
            raise Failed(
                f"the read took {seconds:.1f} s to end; {case.stop_seconds:g} s are allowed",
                "end at the next batch when the iterator is closed; do not read to the end first",
            )
        after = rows_of(batches(case, reader, stream, unit))
    compared(whole, after, "the read after one that was given up differs", "start each read afresh")
    return f"{seconds:.2f} s"


def _given_up(reader: Reader, stream: Stream, unit: Unit) -> float:
    """Take one batch, close the read, and give the seconds that closing took."""
    reading: Any = iter(reader.read(stream, unit))
    next(reading, None)
    started = time.monotonic()
    if close := getattr(reading, "close", None):
        close()
    del reading
    return time.monotonic() - started


@check(batches_valid)
def batches_last(case: ReaderCase) -> str:
    """A batch stays as it is, also after the next one, the end of the read and the release of the reader.

    Batches wait in queues and writers; memory that is used again under them changes rows without a trace.
    """
    kept: list[tuple[Any, bytes]] = []
    with planned(case) as (reader, stream, window):
        size = 0
        for batch in all_batches(case, reader, stream, window):
            kept.append((batch, _digest(batch)))
            size += batch.nbytes
            if size > KEPT_BYTES:
                break
        _all_as_they_were(kept, "while the read goes on")
    _all_as_they_were(kept, "once the reader is closed")
    with planned(case) as (reader, stream, window):
        for _ in islice(all_batches(case, reader, stream, window), len(kept)):
            pass
    _all_as_they_were(kept, "when it is read again")
    return f"{len(kept)} batches"


def _digest(batch: Any) -> bytes:
    return hashlib.blake2b(batch.serialize()).digest()


def _all_as_they_were(kept: list[tuple[Any, bytes]], when: str) -> None:
    changed = sum(_digest(batch) != digest for batch, digest in kept)
    if changed:
        raise Failed(
            f"{changed} of {len(kept)} batches changed {when}",
            "give each batch memory of its own, and free it in its release callback only",
        )


@check(batches_valid)
def memory_bounded(case: ReaderCase) -> str:
    """Memory stays bounded while a read goes on and nothing of it is kept.

    A source may be larger than any machine.
    """
    before = footprint.memory()
    peak = Peak()
    peak.start()
    try:
        with planned(case) as (reader, stream, window):
            size = sum(b.nbytes for b in all_batches(case, reader, stream, window))
    finally:
        grown = peak.stop() - before
    if grown > case.memory_bytes:
        raise Failed(
            f"memory grew by {grown / 1e6:,.0f} MB while {size / 1e6:,.0f} MB were read; "
            f"the limit is {case.memory_bytes / 1e6:,.0f} MB",
            "yield batches as they come in, and keep none of them",
        )
    return f"at most {max(grown, 0) / 1e6:,.0f} MB more, for {size / 1e6:,.1f} MB of rows"


@check(memory_bounded)
def memory_returned(case: ReaderCase) -> str:
    """Memory does not grow from read to read.

    A process of Dagster reads for weeks.
    """
    with planned(case) as (reader, stream, window):
        if not window.units:
            raise NotApplicable("there is nothing to read")

        def read() -> int:
            return sum(b.nbytes for b in all_batches(case, reader, stream, window))

        return steady(read, "reads")


@check(ends)
def nothing_left_open(case: ReaderCase) -> str:
    """A closed reader leaves no file, connection, thread or process behind.

    They run out, days later, in the middle of somebody else's run.
    """

    def read() -> None:
        with planned(case) as (reader, stream, window), closing(all_batches(case, reader, stream, window)) as found:
            next(found, None)

    return left_open(read)


@check(two_reads_equal)
def units_in_threads(case: ReaderCase) -> str:
    """Units may be read at the same time, by threads.

    The platform reads four units at once, or as many as `parallelism` says.
    """
    with planned(case) as (reader, stream, window):
        if len(window.units) <= 1:
            raise NotApplicable("there is only one unit")
        alone = rows_of(all_batches(case, reader, stream, window))
        with ThreadPoolExecutor(min(len(window.units), 4)) as pool:
            found = list(pool.map(lambda unit: rows_of(batches(case, reader, stream, unit)), window.units))
    together: Counter[int] = sum(found, Counter())
    return compared(alone, together, "read at once, the units differ", "keep the state of a read out of the reader")


@check(batches_valid)
def position_counts(case: ReaderCase) -> str:
    """The position may be asked at any time and is a number of bytes that only grows.

    The progress of a run is drawn from it, by another thread.
    """
    with planned(case) as (reader, stream, window):
        for unit in window.units:
            _position(reader, unit, 0)
            last = 0
            with closing(batches(case, reader, stream, unit)) as found:
                for _ in found:
                    last = _position(reader, unit, last)
            _position(reader, unit, last)
    return ""


def _position(reader: Reader, unit: Unit, least: int) -> int:
    position = reader.position(unit)
    if not isinstance(position, int) or position < 0:
        raise Failed(f"the position is {position!r}", "give the bytes that were read so far; 0 when unknown")
    if position < least:
        raise Failed(f"the position went back, from {least:,} to {position:,}", "count each byte when it is read first")
    return position


@check(answers)
def errors_coded(case: ReaderCase) -> str:
    """What goes wrong is told by a code that machines know, and without secrets.

    The code decides whether a run is tried again, and it is what people search for at night.
    """
    if case.broken is None:
        raise NotApplicable("say with `broken` which configuration must be refused")
    seen = list(refusals(_every_call(case), case.secrets))
    if not seen:
        raise Failed(
            "nothing refused the broken configuration", "check the configuration and the answers of the source"
        )
    return ", ".join(dict.fromkeys(seen))


def _every_call(case: ReaderCase) -> Iterator[Callable[[], Any]]:
    """Give the calls that a broken configuration may fail in, each with a reader of its own."""
    opened = case.broken
    assert opened is not None  # noqa: S101 - the caller looked

    def check_it() -> Any:
        with opened() as reader:
            return reader.check()

    def discover_it() -> Any:
        with opened() as reader:
            return list(reader.discover())

    def read_it() -> Any:
        with opened() as reader:
            window: Window = reader.split(case.stream, None)
            return sum(1 for _ in all_batches(case, reader, case.stream, window))

    yield from (check_it, discover_it, read_it)


def refusals(calls: Iterator[Callable[[], Any]], secrets: tuple[str, ...]) -> Iterator[str]:
    """Give the code of each call that fails, or that answers that something failed.

    Raises:
        Failed: A failure is not told as it should be.
    """
    from dativo_ingest.model import CheckResult

    for call in calls:
        try:
            answer = call()
        except Failed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what is judged here
            yield coded(error, secrets)
            continue
        if isinstance(answer, CheckResult) and not answer.passed:
            proper(answer.code, answer.message, secrets)
            yield str(answer.code)


CHECKS: tuple[Check, ...] = (
    stops,
    batches_last,
    memory_bounded,
    memory_returned,
    nothing_left_open,
    units_in_threads,
    position_counts,
    errors_coded,
)
