"""A column on its way to the contract's type, and the few moves that text and typed columns share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

Cast = Callable[[pa.Array], pa.Array]


class Converted(NamedTuple):
    """A column in its new type, NULL where ``bad`` is true; ``bad`` is None when no row is."""

    values: pa.Array
    bad: pa.BooleanArray | None = None


def attempt(array: pa.Array, cast: Cast, target: pa.DataType) -> Converted:
    """Cast the whole column, or halve it until the rows that cannot be cast stand alone."""
    try:
        return Converted(cast(array))
    except pa.ArrowInvalid:
        if len(array) == 1:
            return Converted(pa.nulls(1, target), pa.array([True]))
    middle = len(array) // 2
    return joined([attempt(half, cast, target) for half in (array[:middle], array[middle:])])


def joined(parts: list[Converted]) -> Converted:
    """Put the parts of one column together again."""
    bad = [p.bad if p.bad is not None else pa.repeat(pa.scalar(value=False), len(p.values)) for p in parts]
    return Converted(pa.concat_arrays([p.values for p in parts]), pa.concat_arrays(bad))


def only(array: pa.Array, keep: pa.BooleanArray) -> pa.Array:
    """Keep the values where ``keep`` is true; NULL elsewhere."""
    return pc.if_else(keep, array, pa.scalar(None, array.type))


def lost(before: pa.Array, after: pa.Array) -> pa.BooleanArray | None:
    """Find the rows that had a value and have none now."""
    if before.null_count == after.null_count:
        return None
    return pc.and_(before.is_valid(), after.is_null())


def within(values: pa.Array, target: pa.DataType) -> pa.Array:
    """Keep what lies in the range of the integer type ``target``, compared in the type of ``values``."""
    low, high = integer_range(target)
    return only(values, pc.and_(pc.greater_equal(values, _as(low, values)), pc.less_equal(values, _as(high, values))))


def integer_range(target: pa.DataType) -> tuple[int, int]:
    """Give the least and the greatest value of an integer type."""
    bits = target.bit_width
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if pa.types.is_signed_integer(target) else (0, (1 << bits) - 1)


def _as(number: int, like: pa.Array) -> pa.Scalar:
    if not pa.types.is_integer(like.type):
        return pa.scalar(str(number)).cast(pa.decimal128(38, 0))
    low, high = integer_range(like.type)
    return pa.scalar(min(max(number, low), high), like.type)


def entries(maps: pa.MapArray) -> pa.ListArray:
    """Give maps as lists of key and value, which more kernels know.

    Not by a cast, which in Arrow 26 breaks structs that have a field of the type null.
    """
    pairs = pa.StructArray.from_arrays([maps.keys, maps.items], ["key", "value"])
    kind, buffers = pa.list_(pairs.type), maps.buffers()[:2]
    return pa.ListArray.from_buffers(kind, len(maps), buffers, offset=maps.offset, children=[pairs])


def flattened(lists: pa.Array) -> pa.Array:
    """Give the elements of lists of any kind, without those behind a NULL list.

    Not by ``flatten`` alone, which Arrow has not for extension types when there is nothing in the lists.
    """
    wanted = pc.sum(pc.list_value_length(lists), min_count=0).as_py()
    if not wanted:
        return lists.values[:0]
    if pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type):
        first, last = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
        if wanted == last - first:
            return lists.values[first:last]
    return lists.flatten()
