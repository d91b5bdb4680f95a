"""Values that Arrow or the driver cannot say, found in a batch before anybody believes them.

The driver gives an infinite time as a number far before all time, and Arrow keeps years and hours that no reader of
the table would understand. A column with such a value goes on as text in that batch: validation then refuses those
rows by name, and keeps the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.connectors.sql.pg_types import NAN
from dativo_ingest.exceptions import ValidationError

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_MOST = {
    "timestamp": (_FIRST_DAY * _DAY_US, (_LAST_DAY + 1) * _DAY_US - 1),
    "date": (_FIRST_DAY, _LAST_DAY),
    "time": (0, _DAY_US - 1),
}
_TIME_SHIFT_US = 946_684_800_000_000  # the server counts from 2000, Arrow from 1970
_DAY_SHIFT = 10_957
_INFINITE = {
    "timestamp": (2**63 - 1 + _TIME_SHIFT_US - 2**64, -(2**63) + _TIME_SHIFT_US),
    "date": (2**31 - 1 + _DAY_SHIFT - 2**32, -(2**31) + _DAY_SHIFT),
}


def guarded(batch: pa.RecordBatch, packed: Sequence[tuple[int, int] | None]) -> pa.RecordBatch:
    """Give the batch with text in place of each column that has a value out of range.

    Args:
        batch: As the driver gave it.
        packed: For each column precision and scale, where whole numbers stand for a numeric; see `pg_types.packed`.

    Raises:
        ValidationError: ``VALUE_NOT_HELD``: the value is in a list.
    """
    arrays = [
        _guarded(name, array) if digits is None else _unpacked(array, *digits)
        for name, array, digits in zip(batch.schema.names, batch.columns, packed, strict=True)
    ]
    if all(new is old for new, old in zip(arrays, batch.columns, strict=True)):
        return batch
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _guarded(name: str, array: pa.Array) -> pa.Array:
    if pa.types.is_list(array.type):
        flat = array.flatten()
        if _guarded(name, flat) is not flat:
            raise ValidationError(
                f"column {name!r} has a list with a time that is infinite or beyond the years 1 to 9999; say json or "
                "list<string> in the contract",
                "VALUE_NOT_HELD",
                {"column": name},
            )
        return array
    kind = _kind(array.type)
    if kind is None:
        return array
    numbers = array.view(pa.int32() if kind == "date" else pa.int64())
    low, high = _MOST[kind]
    ends = pc.min_max(numbers)
    if not ends["min"].is_valid or (ends["min"].as_py() >= low and ends["max"].as_py() <= high):
        return array
    return _as_text(array, numbers, kind)


def _unpacked(array: pa.Array, precision: int, scale: int) -> pa.Array:
    """Read whole numbers as decimals of their last digit, without touching one."""
    nan = pc.equal(array, NAN)
    sound = pc.if_else(nan, pa.scalar(None, array.type), array) if pc.any(nan).as_py() else array
    wide = sound.cast(pa.decimal128(19, 0))
    found = pa.Array.from_buffers(pa.decimal128(precision, scale), len(wide), wide.buffers(), offset=wide.offset)
    if sound is array:
        return found
    return pc.if_else(nan, "NaN", found.cast(pa.string()))


def _kind(found: pa.DataType) -> str | None:
    if pa.types.is_timestamp(found):
        return "timestamp"
    if pa.types.is_date32(found):
        return "date"
    return "time" if pa.types.is_time64(found) else None


def _as_text(array: pa.Array, numbers: pa.Array, kind: str) -> pa.Array:
    low, high = _MOST[kind]
    inside = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    texts = pc.if_else(inside, array, pa.scalar(None, array.type)).cast(pa.string())
    said = pa.scalar("24:00:00" if kind == "time" else "a year beyond 1 to 9999")
    for number, word in zip(_INFINITE.get(kind, ()), ("infinity", "-infinity"), strict=False):
        said = pc.if_else(pc.equal(numbers, number), word, said)
    return pc.if_else(inside, texts, pc.if_else(numbers.is_valid(), said, pa.scalar(None, pa.string())))
