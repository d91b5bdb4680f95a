"""Record batches as rows of native Python values, column by column. Called by `adapters.writer`.

Moments are `datetime.datetime` (aware in UTC where the contract has a zone), days `datetime.date`, decimals
`decimal.Decimal`, bytes `bytes`, UUIDs text, lists lists, structs and maps dicts.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

YEARS_1_TO_9999 = (-62_135_596_800_000_000, 253_402_300_799_999_999)  # microseconds around 1970


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Give a batch as rows."""
    names = batch.schema.names
    if not names:
        return [{} for _ in range(batch.num_rows)]
    return [dict(zip(names, values, strict=True)) for values in zip(*map(values_of, batch.columns), strict=True)]


def values_of(array: pa.Array) -> list[Any]:
    """Give a column as a list."""
    fast = _fast(array)
    if fast is None:
        return list(_slow(array))
    if array.null_count:
        return [value if there else None for value, there in zip(fast, _numpy(array.is_valid()), strict=True)]
    return fast


def _fast(array: pa.Array) -> list[Any] | None:
    """Give the values through numpy, with anything in place of NULL; None when that would not be exact."""
    import pyarrow as pa
    import pyarrow.compute as pc

    t, kind = pa.types, array.type
    if t.is_string(kind) or t.is_large_string(kind):
        return _numpy(array)
    if t.is_integer(kind) or t.is_floating(kind):
        return _numpy(array.fill_null(0) if array.null_count else array)
    if t.is_boolean(kind):
        return _numpy(array.fill_null(pa.scalar(value=False)) if array.null_count else array)
    if t.is_date32(kind) or (t.is_timestamp(kind) and kind.unit != "ns"):
        inside = pc.min_max(array.cast(pa.timestamp("us")))
        low, high = (inside[end].cast(pa.int64()).as_py() for end in ("min", "max"))
        if low is None or low < YEARS_1_TO_9999[0] or high > YEARS_1_TO_9999[1]:
            return None
        return _moments(array, day=t.is_date32(kind))
    return None


def _moments(array: pa.Array, *, day: bool) -> list[Any]:
    import pyarrow as pa

    zone = None if day else array.type.tz
    plain = array.cast(pa.date32() if day else pa.timestamp("us"))
    if plain.null_count:
        plain = plain.fill_null(dt.date(1970, 1, 1) if day else dt.datetime(1970, 1, 1))  # noqa: DTZ001
    values = _numpy(plain)
    return values if zone is None else [v.replace(tzinfo=dt.timezone.utc) for v in values]


def _numpy(array: pa.Array) -> list[Any]:
    """Give the values through numpy; where pyarrow found none they are the same, and slower."""
    missing = sys.modules.get("numpy") is None
    values: list[Any] = array.to_pylist() if missing else array.to_numpy(zero_copy_only=False).tolist()
    return values


def _slow(array: pa.Array) -> Iterator[Any]:
    import pyarrow as pa

    make: Callable[[Any], Any] | None = None
    if isinstance(array.type, pa.BaseExtensionType):
        make = str if array.type.extension_name == "arrow.uuid" else None
        if make is None:
            array = array.storage
    for value in array.to_pylist(maps_as_pydicts="strict"):
        yield value if value is None or make is None else make(value)
