"""What a reader promises about its answers: connection, discovery, plan, batches, rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dativo_ingest.model import CheckResult, Cursor, Stream, Window
from dativo_ingest.protocols import CORRUPT
from dativo_ingest.testing.checks import Check, Failed, NotApplicable, check, proper
from dativo_ingest.testing.host import rejections
from dativo_ingest.testing.reading import all_batches, batches, compared, planned, rows_of, stream_of

if TYPE_CHECKING:
    from dativo_ingest.testing.cases import ReaderCase

UNNAMED = "neither the contract nor discovery names columns"


@check()
def answers(case: ReaderCase) -> str:
    """The connection check answers that the source can be reached.

    `dativo check` and the sensors of Dagster show this answer; a run that cannot reach its source should say so first.
    """
    with case.open_reader() as reader:
        result = reader.check()
    if not isinstance(result, CheckResult):
        raise Failed(f"gave {type(result).__name__}, not a CheckResult", "return what `check` promises")
    if not result.passed:
        proper(result.code, result.message, case.secrets)
        raise Failed(f"{result.code}: {result.message}", "mend the configuration of this test, or the check")
    return result.message


@check(answers)
def discovery_names(case: ReaderCase) -> str:
    """Discovered streams and their columns have names, each only once, and types that dativo knows.

    `dativo init` and `dativo discover` make contracts of them.
    """
    with case.open_reader() as reader:
        found = _discovered(reader.discover())
    _each_once((s.name for s in found), "stream")
    for stream in found:
        _each_once((c.name for c in stream.columns), f"column of {stream.name!r}")
        if untyped := [c.name for c in stream.columns if not c.type]:
            raise Failed(f"stream {stream.name!r}: no type for {', '.join(untyped)}", "say one; text is `string`")
    return f"{len(found)} streams, {sum(len(s.columns) for s in found)} columns"


@check(answers)
def discovery_stable(case: ReaderCase) -> str:
    """Two discoveries in a row tell the same.

    What changes from call to call looks like a change of the source's schema and alarms people.
    """
    with case.open_reader() as reader:
        first = _discovered(reader.discover())
    with case.open_reader() as reader:
        second = list(reader.discover())
    if first != second:
        differ = sorted({s.name for s in first} ^ {s.name for s in second})
        said = f"streams {', '.join(differ)}" if differ else "the columns or descriptions of a stream"
        raise Failed(f"{said} differ", "list what the source has in one order, without times or random parts")
    return ""


def _discovered(found: Iterable[Any]) -> list[Stream]:
    streams = list(found)
    if wrong := [type(s).__name__ for s in streams if not isinstance(s, Stream)]:
        raise Failed(f"gave {wrong[0]}, not a Stream", "return what `discover` promises")
    if not streams:
        raise NotApplicable("it discovers nothing")
    return streams


def _each_once(names: Iterable[str], what: str) -> None:
    counts = Counter(names)
    if "" in counts:
        raise Failed(f"a {what} has no name", "name it")
    if twice := sorted(n for n, count in counts.items() if count > 1):
        raise Failed(f"{what} {', '.join(map(repr, twice))} is there more than once", "give each its own name")


@check(answers)
def plan_is_json(case: ReaderCase) -> str:
    """A plan survives the way through JSON, and its units have names of their own.

    Plan and read are two steps of a run; between them the plan is text, and the second may happen days later.
    """
    with planned(case) as (_, _, window):
        if not isinstance(window, Window):
            raise Failed(f"split gave {type(window).__name__}, not a Window", "return what `split` promises")
        _each_once((u.id for u in window.units), "unit")
        _same_as_json(window)
        if not window.fingerprint:
            raise Failed("the window has no fingerprint", "make one of what names the data, or a random one")
        return f"{len(window.units)} units"


def _same_as_json(value: Window | Cursor) -> None:
    try:
        again = type(value).loads(value.dumps())
    except (TypeError, ValueError) as error:
        raise Failed(f"the plan is not JSON: {error}", "keep to text, numbers, booleans, lists and maps") from error
    if again.dumps() != value.dumps() or again != value:
        raise Failed("the plan is another one after the way through JSON", "use text as keys, and lists for tuples")


@check(plan_is_json)
def ends(case: ReaderCase) -> str:
    """A read comes to an end, and what it gives are record batches.

    A read without end holds a run, and its slot in the queue, forever.
    """
    with planned(case) as (reader, stream, window):
        sizes = [b.num_rows for b in all_batches(case, reader, stream, window)]
    return f"{sum(sizes):,} rows in {len(sizes):,} batches"


@check(ends)
def batches_valid(case: ReaderCase) -> str:
    """Every batch is sound: its buffers fit, its columns have names of their own, its size is sane.

    Rows are taken as they lie in memory; a broken offset is a crash, or the memory of somebody else.
    """
    import pyarrow as pa

    largest = 0
    with planned(case) as (reader, stream, window):
        for batch in all_batches(case, reader, stream, window):
            try:
                batch.validate(full=True)
            except pa.ArrowInvalid as error:
                raise Failed(f"Arrow finds a batch broken: {error}", "build batches with an Arrow library") from error
            _each_once(batch.schema.names, "column")
            largest = max(largest, batch.nbytes)
            if largest > case.batch_bytes:
                raise Failed(
                    f"a batch of {largest / 1e6:,.0f} MB; the limit is {case.batch_bytes / 1e6:,.0f} MB",
                    "give the rows in smaller batches; some thousand rows, or some megabytes, are best",
                )
    return f"the largest has {largest / 1e6:,.1f} MB"


@check(batches_valid)
def columns_promised(case: ReaderCase) -> str:
    """Batches have the columns that contract or discovery promise, and no others.

    A strict job refuses columns that its contract does not know, and a required column that is missing.
    """
    with planned(case) as (reader, stream, window):
        promised = {c.name: c for c in stream.columns}
        if not promised:
            raise NotApplicable(UNNAMED)
        required = {c.name for c in stream.columns if not c.nullable}
        for batch in all_batches(case, reader, stream, window):
            names = set(batch.schema.names) - {CORRUPT}
            if strange := sorted(names - promised.keys()):
                raise Failed(f"not promised: {', '.join(strange)}", "add them to the contract, or leave them out")
            if missing := sorted(required - names):
                raise Failed(f"required and not there: {', '.join(missing)}", "give them, or let them be NULL")
    return ""


@check(columns_promised)
def values_promised(case: ReaderCase) -> str:
    """Every value is of the type that is promised; validation rejects no row.

    Rows that do not fit go to the quarantine, or fail the run.
    """
    with planned(case) as (reader, stream, window):
        if not stream.columns:
            raise NotApplicable(UNNAMED)
        rejected = rejections(stream)
        for unit in window.units:
            for batch in batches(case, reader, stream, unit):
                if said := rejected(batch, unit.id):
                    raise Failed(said, "give these values as the type says, change the type, or clean the test data")
    return ""


@check(batches_valid)
def rows_complete(case: ReaderCase) -> str:
    """All units together give every row of the source, once.

    A row that is in no unit is lost, one that is in two is doubled, and nobody will notice.
    """
    with planned(case) as (reader, stream, window):
        rows = {u.id: sum(b.num_rows for b in batches(case, reader, stream, u)) for u in window.units}
    if case.rows is None:
        raise NotApplicable("say how many `rows` the source has")
    if sum(rows.values()) != case.rows:
        raise Failed(
            f"{sum(rows.values()):,} rows in {len(rows)} units, and the source has {case.rows:,}",
            "see that the units neither overlap nor leave a gap, and that the last page or batch is given, too",
        )
    return f"{case.rows:,} rows in {len(rows)} units"


@check(batches_valid)
def two_reads_equal(case: ReaderCase) -> str:
    """Two reads of an unchanged source give the same rows.

    A run that failed is repeated; it must commit what the first one would have.
    """
    with planned(case) as (reader, stream, window):
        first = rows_of(all_batches(case, reader, stream, window))
    with planned(case) as (reader, stream, window):
        second = rows_of(all_batches(case, reader, stream, window))
    return compared(first, second, "the second read differs", "read what is there, in full, and without random parts")


@check(batches_valid)
def plan_repeats(case: ReaderCase) -> str:
    """The units of a plan can be read again, by another reader, with the same rows.

    A retry keeps its plan: it reads the same units in a new process.
    """
    with planned(case) as (reader, stream, window):
        if not window.units:
            raise NotApplicable("there is nothing to read")
        first = rows_of(all_batches(case, reader, stream, window))
        kept = window.dumps()
    with case.open_reader() as reader:
        stream = stream_of(case, reader)
        second = rows_of(all_batches(case, reader, stream, Window.loads(kept)))
    return compared(first, second, "the units give other rows", "put all that a unit needs into its `spec`")


@check(plan_is_json)
def fingerprint_stable(case: ReaderCase) -> str:
    """An unchanged source has an unchanged fingerprint.

    By it a window that was committed is known again and not committed twice.
    """
    with planned(case) as (_, _, first):
        pass
    with planned(case) as (_, _, second):
        pass
    if first.fingerprint == second.fingerprint:
        return ""
    if [u.id for u in first.units] == ["all"]:
        raise NotApplicable("the source cannot say what is new; each run reads it anew")
    raise Failed("two plans have two fingerprints", "make it of names, sizes and versions of the data, not of times")


@check(rows_complete, two_reads_equal)
def resumes(case: ReaderCase) -> str:
    """After the cursor that was reached, only new rows are read.

    Incremental jobs go on from there; what is read twice is written twice, what is skipped is lost.
    """
    with planned(case) as (reader, stream, window):
        first = rows_of(all_batches(case, reader, stream, window))
        cursor = reader.reached(window)
    if cursor is None:
        raise NotApplicable("it keeps no cursor")
    if not isinstance(cursor, Cursor):
        raise Failed(f"reached gave {type(cursor).__name__}, not a Cursor", "return what `reached` promises")
    _same_as_json(cursor)
    added = case.add_rows() if case.add_rows else 0
    with case.open_reader() as reader:
        window = reader.split(stream, Cursor.loads(cursor.dumps()))
        second = rows_of(all_batches(case, reader, stream, window))
    again = sum((first & second).values())
    if again:
        raise Failed(f"{again:,} rows are read again", "read what lies beyond the cursor, without the cursor itself")
    if case.add_rows and sum(second.values()) != added:
        raise Failed(f"{added:,} rows were added and {sum(second.values()):,} were read", "let the cursor miss nothing")
    return f"{sum(second.values()):,} new rows after the cursor"


CHECKS: tuple[Check, ...] = (
    answers,
    discovery_names,
    discovery_stable,
    plan_is_json,
    ends,
    batches_valid,
    columns_promised,
    values_promised,
    rows_complete,
    two_reads_equal,
    plan_repeats,
    fingerprint_stable,
    resumes,
)
