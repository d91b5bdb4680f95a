"""Reading as the checks do it: batch by batch, bounded, and rows as values that can be compared."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from dativo_ingest.testing.checks import Failed

if TYPE_CHECKING:
    from dativo_ingest.model import Stream, Unit, Window
    from dativo_ingest.protocols import Reader
    from dativo_ingest.testing.cases import ReaderCase

EMPTY_IN_A_ROW = 1_000
GIVE_UP_EARLY = 0.9  # of a check's time, so that a read ends by itself and no thread is left behind


@contextmanager
def planned(case: ReaderCase) -> Iterator[tuple[Reader, Stream, Window]]:
    """Open the reader and plan the read of everything."""
    with case.open_reader() as reader:
        stream = stream_of(case, reader)
        yield reader, stream, reader.split(stream, None)


def stream_of(case: ReaderCase, reader: Reader) -> Stream:
    """Give the stream of a case; without columns it is discovered, and without a name it is the first."""
    if case.stream.columns:
        return case.stream
    found = list(reader.discover())
    known = next((s for s in found if case.stream.name in {"", s.name}), None)
    return dataclasses.replace(case.stream, name=known.name, columns=known.columns) if known else case.stream


def batches(case: ReaderCase, reader: Reader, stream: Stream, unit: Unit) -> Generator[Any, None, None]:
    """Yield the batches of a unit as pyarrow's; nothing of them is kept.

    Raises:
        Failed: One is no record batch, they go on and on without a row, or there is no end of them.
    """
    import pyarrow as pa

    until, empty = time.monotonic() + GIVE_UP_EARLY * case.seconds, 0
    for given in reader.read(stream, unit):
        if not hasattr(given, "__arrow_c_array__"):
            raise Failed(
                f"gave {type(given).__name__}, which is no record batch",
                "yield objects with `__arrow_c_array__`, such as pyarrow.RecordBatch",
            )
        batch = given if isinstance(given, pa.RecordBatch) else pa.record_batch(given)
        empty = empty + 1 if not batch.num_rows else 0
        if empty >= EMPTY_IN_A_ROW:
            raise Failed(f"gave {empty:,} batches without a row, one after the other", "end the read instead")
        if time.monotonic() > until:
            raise Failed(
                f"still reading unit {unit.id!r} after {GIVE_UP_EARLY * case.seconds:.0f} s",
                "end the read when the source is at its end; if the test data is simply large, test with less of it",
            )
        yield batch


def all_batches(case: ReaderCase, reader: Reader, stream: Stream, window: Window) -> Generator[Any, None, None]:
    """Yield the batches of all units, one after the other."""
    for unit in window.units:
        with closing(batches(case, reader, stream, unit)) as found:
            yield from found


def rows_of(given: Iterator[Any]) -> Counter[int]:
    """Give the rows of batches as a multiset: by their values, whatever the order, the cuts and NULL columns."""
    rows: Counter[int] = Counter()
    for batch in given:
        rows.update(_fingerprints(batch))
    return rows


def _fingerprints(batch: Any) -> Iterator[int]:
    names = sorted(range(batch.num_columns), key=lambda i: str(batch.schema.names[i]))
    columns = [(batch.schema.names[i], values_of(batch.column(i))) for i in names]
    for row in range(batch.num_rows):
        yield hash(repr([(name, values[row]) for name, values in columns if values[row] is not None]))


def values_of(array: Any) -> list[Any]:
    """Give an array's values as Python has them; moments as integers, since Python has no nanoseconds."""
    import pyarrow as pa

    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    target = _without_moments(array.type)
    return list((array if target == array.type else array.cast(target)).to_pylist())


def _without_moments(kind: Any) -> Any:
    import pyarrow as pa

    t = pa.types
    if t.is_temporal(kind) and not t.is_interval(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()  # noqa: PLR2004 - bits of a date32 and a time32
    if t.is_list(kind) or t.is_large_list(kind):
        make = pa.list_ if t.is_list(kind) else pa.large_list
        return make(_field(kind.value_field))
    if t.is_struct(kind):
        return pa.struct([_field(f) for f in kind])
    if t.is_map(kind):
        return pa.map_(_field(kind.key_field), _field(kind.item_field))
    return kind


def _field(field: Any) -> Any:
    return field.with_type(_without_moments(field.type))


def compared(first: Counter[int], second: Counter[int], what: str, todo: str) -> str:
    """Hold two multisets of rows against each other; tells counts, never a row.

    Raises:
        Failed: They differ.
    """
    gone, new = sum((first - second).values()), sum((second - first).values())
    if gone or new:
        raise Failed(f"{what}: {gone:,} rows are gone and {new:,} are new, of {sum(first.values()):,}", todo)
    return f"{sum(first.values()):,} rows"
