"""What a writer promises about its conduct: clearing up, threads, broken sources, memory, what it leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import TransientError
from dativo_ingest.testing.checks import Check, Failed, NotApplicable, check
from dativo_ingest.testing.growth import left_open, steady
from dativo_ingest.testing.reader_conduct import refusals
from dativo_ingest.testing.writer_checks import ROWS, Place, answers, counts_true, local, opened, rows_for, written

if TYPE_CHECKING:
    from dativo_ingest.testing.cases import WriterCase

AT_ONCE = 4


@check(counts_true)
def abort_clears(case: WriterCase) -> str:
    """`abort` removes what was written, may come again, and takes files that are gone.

    A run that failed must leave nothing; a cancelled one may clear up twice.
    """
    with opened(case) as (writer, place):
        before = place.files()
        files = written(writer, rows_for(case), place)
        writer.abort(files)
        left = place.files() - before
        there = [f for f in files if local(f).exists()]
        writer.abort(files)
        writer.abort([])
    if left or there:
        raise Failed(f"{len(left) or len(there)} files are left", "delete each file that `abort` is given")
    return ""


@check(counts_true)
def writes_at_once(case: WriterCase) -> str:
    """Several threads may write at the same time.

    The platform writes up to four units at once.
    """
    given = rows_for(case)
    with opened(case) as (writer, place), ThreadPoolExecutor(AT_ONCE) as pool:
        names = [f"part-{i:04}" for i in range(AT_ONCE)]
        found = list(pool.map(lambda name: written(writer, given, place, name), names))
    paths = Counter(f.path for files in found for f in files)
    if twice := [path for path, count in paths.items() if count > 1]:
        raise Failed(f"two writes wrote the same file {twice[0]}", "start each file's name with the name that is given")
    if wrong := [sum(f.rows for f in files) for files in found if sum(f.rows for f in files) != ROWS]:
        raise Failed(f"a write of {ROWS:,} rows counts {wrong[0]:,}", "keep the state of a write out of the writer")
    return f"{len(paths)} files by {AT_ONCE} threads"


@check(answers)
def source_errors_pass(case: WriterCase) -> str:
    """An error of the incoming rows leaves no file, and comes back as itself.

    The reader's error says why the run failed and whether it is tried again; the writer must not put its own before it.
    """
    error = TransientError("the source broke while it was written", "CONNECTION_FAILED", {"unit": "a"}, retry_after=7)

    def rows() -> Iterator[Any]:
        yield from rows_for(case)[:2]
        raise error

    with opened(case) as (writer, place):
        before = place.files()
        try:
            writer.write(rows(), place.base, "part-0001")
        except TransientError as found:
            if found is not error and found.to_dict() != error.to_dict():
                raise Failed(f"it came back as {found.error_code}: {found.message}", "let it pass") from found
        except Exception as found:
            raise Failed(f"it came back as {type(found).__name__}: {found}", "let the error pass as it is") from found
        else:
            raise Failed("the write told of success", "let the error of the incoming rows pass")
        if left := place.files() - before:
            raise Failed(f"{len(left)} files are left", "remove what was written before the error passes")
    return ""


@check(counts_true)
def memory_returned(case: WriterCase) -> str:
    """Memory does not grow from write to write.

    A process of Dagster writes for weeks.
    """
    given = rows_for(case, rows=20 * ROWS)
    size = int(sum(b.nbytes for b in given))
    with opened(case) as (writer, place):

        def write() -> int:
            writer.abort(written(writer, given, place))
            return size

        return steady(write, "writes")


@check(counts_true)
def nothing_left_open(case: WriterCase) -> str:
    """A closed writer leaves no file, connection, thread or process behind.

    They run out, days later, in the middle of somebody else's run.
    """

    def write() -> None:
        with opened(case) as (writer, place):
            writer.abort(written(writer, rows_for(case), place))

    return left_open(write)


@check()
def errors_coded(case: WriterCase) -> str:
    """What goes wrong is told by a code that machines know, and without secrets.

    The code decides whether a run is tried again, and it is what people search for at night.
    """
    broken = case.broken
    if broken is None:
        raise NotApplicable("say with `broken` which configuration must be refused")

    folder = Place(Path(case.folder()))

    def check_it() -> Any:
        with broken(str(folder.path)) as writer:
            return writer.check()

    def write_it() -> Any:
        with broken(str(folder.path)) as writer:
            return writer.write(iter(rows_for(case)), folder.base, "part-0001")

    calls: tuple[Callable[[], Any], ...] = (check_it, write_it)
    seen = list(refusals(iter(calls), case.secrets))
    if not seen:
        raise Failed(
            "nothing refused the broken configuration", "check the configuration and the answers of the target"
        )
    return ", ".join(dict.fromkeys(seen))


CHECKS: tuple[Check, ...] = (
    abort_clears,
    writes_at_once,
    source_errors_pass,
    memory_returned,
    nothing_left_open,
    errors_coded,
)
