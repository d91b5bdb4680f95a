"""What pyarrow's parsers of text take although the type cannot hold it, or a contract does not mean it."""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc

# Days from the epoch to 0001-01-01. Out of a buffer: pa.scalar and pa.array import pandas, which takes a second.
_YEAR_1 = pa.Array.from_buffers(pa.date32(), 1, [None, pa.py_buffer(struct.pack("=i", -719162))])[0]


def holds(column: pa.ChunkedArray) -> bool:
    """Say whether every value of a parsed column is one that its text can mean.

    pyarrow makes infinity of 1e400, keeps more digits than a decimal has when none is behind the point, and knows a
    year 0. Values inside lists and structs are looked at too.
    """
    kind = column.type
    if pa.types.is_struct(kind) or pa.types.is_list(kind):
        return all(
            holds(inner) for inner in (column.flatten() if pa.types.is_struct(kind) else [pc.list_flatten(column)])
        )
    if pa.types.is_float64(kind):
        return pc.all(pc.is_finite(column)).as_py() is not False
    if pa.types.is_decimal(kind):
        return _has_digits(column, kind.precision - kind.scale)
    if pa.types.is_date32(kind) or (pa.types.is_timestamp(kind) and kind.unit != "ns"):  # nanoseconds begin in 1677
        return pc.any(pc.less(column, _YEAR_1.cast(kind))).as_py() is not True
    return True


def _has_digits(column: pa.ChunkedArray, most: int) -> bool:
    """Say whether no value has more than ``most`` digits before the point."""
    ends = pc.min_max(column).as_py()
    return ends["max"] is None or max(abs(ends["min"]), abs(ends["max"])) < 10**most
