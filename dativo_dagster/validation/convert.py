"""Columns of a source as columns of a contract: exact, or that row is bad. Called by `validation.enforce`.

A column that already has the contract's type is passed on untouched. Otherwise the value must survive: an integer
fits the narrower one, a float becomes an integer only when it is whole, and a float32 or a decimal only when it comes
back as the same float; a decimal keeps all its digits; a moment keeps all of its fraction. A moment gets or loses a
zone never, unless the contract says the zone of the column. A boolean is no number, a number is no boolean, and
nothing but text becomes a string. Text is read by `validation.text`.
"""

from __future__ import annotations

import decimal
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.config import types as lt
from dativo_dagster.validation.converted import (
    Converted,
    entries,
    flattened,
    integer_range,
    lost,
    only,
    within,
)
from dativo_dagster.validation.moments import placed, shown
from dativo_dagster.validation.text import parse
from dativo_dagster.validation.typemap import arrow_type, is_list

_T = pa.types


def convert(array: pa.Array, kind: lt.LogicalType, zone: str | None = None) -> Converted:
    """Bring one column to the Arrow type of ``kind``; ``zone`` is where clocks without a zone stood."""
    target = arrow_type(kind)
    array = _plain(array, target)
    if array.type.equals(target, check_metadata=True) and not _holds_json(kind):
        return Converted(array)
    if array.null_count == len(array):
        return Converted(pa.nulls(len(array), target))
    if is_text(array.type):
        return parse(array, kind, zone)
    return _typed(array, kind, target, zone)


def is_text(kind: pa.DataType) -> bool:
    """Say whether a type of Arrow is text."""
    return bool(_T.is_string(kind) or _T.is_large_string(kind) or _T.is_string_view(kind))


def _plain(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Undo encodings and extension types, which say nothing about a value."""
    if _T.is_dictionary(array.type):
        array = array.dictionary_decode()
    if _T.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if _T.is_string_view(array.type):
        array = array.cast(pa.string())
    if isinstance(array.type, pa.BaseExtensionType) and array.type != target:
        return _plain(array.storage, target)
    return array


def _holds_json(kind: lt.LogicalType) -> bool:
    if isinstance(kind, lt.Struct):
        return any(_holds_json(inner) for _, inner in kind.fields)
    if isinstance(kind, lt.Map):
        return _holds_json(kind.key) or _holds_json(kind.value)
    return _holds_json(kind.element) if isinstance(kind, lt.List) else kind == lt.Primitive("json")


def _typed(array: pa.Array, kind: lt.LogicalType, target: pa.DataType, zone: str | None) -> Converted:
    source = array.type
    if isinstance(kind, lt.Timestamp):
        return _moment(array, kind, target, zone)
    if _T.is_nested(target):
        return _nested(array, kind, target)
    if _is_number(source) and _is_number(target):
        return _number(array, kind, target)
    if _is_day_or_clock(source, kind):
        return _round_trip(array, target)
    if is_bytes(source) and str(kind) in {"binary", "uuid"}:
        return _uuid(array, target) if str(kind) == "uuid" else Converted(array.cast(target))
    return _refused(array, target)


def _is_number(kind: pa.DataType) -> bool:
    return bool(_T.is_integer(kind) or _T.is_floating(kind) or _T.is_decimal(kind))


def _is_day_or_clock(source: pa.DataType, kind: lt.LogicalType) -> bool:
    if isinstance(kind, lt.Time):
        return bool(_T.is_time(source))
    day = _T.is_date(source) or (_T.is_timestamp(source) and source.tz is None)
    return bool(day and str(kind) == "date")


def _refused(array: pa.Array, target: pa.DataType) -> Converted:
    return Converted(pa.nulls(len(array), target), array.is_valid())


def is_bytes(kind: pa.DataType) -> bool:
    """Say whether a type of Arrow is bytes."""
    return bool(_T.is_binary(kind) or _T.is_large_binary(kind) or _T.is_fixed_size_binary(kind))


def _uuid(array: pa.Array, target: pa.DataType) -> Converted:
    right = only(array.cast(pa.binary()), pc.equal(pc.binary_length(array.cast(pa.binary())), 16))
    values = pa.ExtensionArray.from_storage(target, right.cast(target.storage_type))
    return Converted(values, lost(array, values))


def _number(array: pa.Array, kind: lt.LogicalType, target: pa.DataType) -> Converted:
    source = array.type
    if _T.is_float16(source):
        array, source = array.cast(pa.float32()), pa.float32()
    if _T.is_floating(source) and _T.is_decimal(target):
        # The shortest text that means this float, and no digit that binary arithmetic made up.
        found = parse(only(array, pc.is_finite(array)).cast(pa.string()), kind)
        return Converted(found.values, lost(array, found.values))
    if _T.is_decimal(source) and _T.is_floating(target):
        return _decimal_to_float(array, target)
    if _T.is_decimal(source) or _T.is_decimal(target):
        return _exact_decimal(array, target)
    return _binary_number(array, target)


def _decimal_to_float(array: pa.Array, target: pa.DataType) -> Converted:
    """Keep a decimal that its float means: the shortest text of the float is the decimal again."""
    values = array.cast(pa.string()).cast(target)
    if array.type.scale > lt.MAX_PRECISION:  # no type of a contract has so many places, and no kernel compares them
        pairs = zip(values.cast(pa.string()).to_pylist(), array.to_pylist(), strict=True)
        same = [None if exact is None else decimal.Decimal(text) == exact for text, exact in pairs]
        values = only(values, pc.fill_null(pa.array(same, pa.bool_()), fill_value=False))
        return Converted(values, lost(array, values))
    digits = parse(only(values, pc.is_finite(values)).cast(pa.string()), lt.Decimal(38, array.type.scale))
    values = only(values, pc.fill_null(pc.equal(digits.values, array), fill_value=False))
    return Converted(values, lost(array, values))


def _exact_decimal(array: pa.Array, target: pa.DataType) -> Converted:
    wide = array.cast(pa.decimal128(20, 0)) if _T.is_integer(array.type) else array
    if _T.is_integer(target):
        values = within(_fitting(wide, pa.decimal128(38, 0)), target).cast(target)
    else:
        values = _fitting(wide, target)
    return Converted(values, lost(array, values))


def _fitting(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Give a decimal other digits; NULL where one would be lost.

    Arrow's own check misses numbers that grow beyond 128 bits, so those that are too large go before its cast.
    """
    source, whole = array.type, target.precision - target.scale
    if source.precision - source.scale > whole:
        array = only(array, pc.less(pc.abs(array), pa.scalar(decimal.Decimal(10) ** whole)))
    try:
        return array.cast(target)
    except pa.ArrowInvalid:
        wide = array.cast(pa.decimal256(min(source.precision + 1, 76), source.scale))  # rounding asks for a digit more
        cut = pc.round(wide, ndigits=target.scale, round_mode="towards_zero")
        return only(array, pc.equal(cut, wide)).cast(target)


def _binary_number(array: pa.Array, target: pa.DataType) -> Converted:
    source = array.type
    if _T.is_integer(source) and _T.is_integer(target):
        try:
            return Converted(array.cast(target))
        except pa.ArrowInvalid:
            values = within(array, target).cast(target)
    elif _T.is_integer(target):
        values = _whole(array, target)
    else:
        values = _as_float(array, target)
    return Converted(values, lost(array, values))


def _whole(array: pa.Array, target: pa.DataType) -> pa.Array:
    low, high = integer_range(target)
    inside = pc.and_(pc.greater_equal(array, float(low)), pc.less(array, float(high + 1)))
    return only(array, pc.and_(inside, pc.equal(pc.trunc(array), array))).cast(target, safe=False)


def _as_float(array: pa.Array, target: pa.DataType) -> pa.Array:
    values = array.cast(target, safe=False)
    if _T.is_floating(array.type):
        return only(values, pc.or_(pc.equal(values.cast(array.type), array), pc.is_nan(array)))
    back = _whole(values, array.type)
    return only(values, pc.fill_null(pc.equal(back, array), fill_value=False))


def _moment(array: pa.Array, kind: lt.Timestamp, target: pa.DataType, zone: str | None) -> Converted:
    source = array.type
    if _T.is_date(source) and not kind.zoned:
        return _round_trip(array, target)
    if not _T.is_timestamp(source):
        return _refused(array, target)
    if (source.tz is not None) == kind.zoned:
        return _round_trip(array, target)
    if zone is not None and not kind.zoned:
        found = _round_trip(shown(array, zone), target)
        return Converted(found.values, lost(array, found.values))
    if zone is not None:
        there = placed(array, zone)
        found = _round_trip(there.values, target)
        return Converted(found.values, lost(array, found.values))
    return _refused(array, target)


def _round_trip(array: pa.Array, target: pa.DataType) -> Converted:
    """Keep the values that come back the same; one that overflowed never does."""
    values = array.cast(target, safe=False)
    values = only(values, pc.equal(values.cast(array.type, safe=False), array))
    return Converted(values, lost(array, values))


def _nested(array: pa.Array, kind: lt.LogicalType, target: pa.DataType) -> Converted:
    source = array.type
    if isinstance(kind, lt.Struct) and _T.is_struct(source):
        return _struct(array, kind, target)
    if isinstance(kind, lt.Map) and _T.is_map(source):
        return _map(array, kind, target)
    if isinstance(kind, lt.List) and is_list(source):
        return _list(array, kind, target)
    return _refused(array, target)


def _struct(array: pa.StructArray, kind: lt.Struct, target: pa.DataType) -> Converted:
    given = {array.type.field(i).name: child for i, child in enumerate(array.flatten())}
    found = [
        convert(given[name], inner) if name in given else Converted(pa.nulls(len(array), arrow_type(inner)))
        for name, inner in kind.fields
    ]
    bad = [f.bad for f in found if f.bad is not None]
    promised = {name for name, _ in kind.fields}
    bad += [child.is_valid() for name, child in given.items() if name not in promised and child.null_count < len(child)]
    fields = [target.field(i) for i in range(target.num_fields)]
    values = pa.StructArray.from_arrays([f.values for f in found], fields=fields, mask=array.is_null())
    return _without(values, bad)


def _list(array: pa.Array, kind: lt.List, target: pa.DataType) -> Converted:
    found, offsets = convert(flattened(array), kind.element), _offsets(array)
    values = pa.ListArray.from_arrays(offsets, found.values, type=target, mask=array.is_null())
    return _without(values, [_rows(offsets, found.bad)] if found.bad is not None else [])


def _map(array: pa.MapArray, kind: lt.Map, target: pa.DataType) -> Converted:
    pairs = entries(array)
    keys, items = flattened(pairs).flatten()
    key, item, offsets = convert(keys, kind.key), convert(items, kind.value), _offsets(pairs)
    if key.bad is not None:  # a map cannot hold the NULL that stands for a bad key
        bad = _rows(offsets, key.bad)
        rest = _map(_nulled(array, bad), kind, target)
        return _without(rest.values, [bad] if rest.bad is None else [bad, rest.bad])
    values = pa.MapArray.from_arrays(offsets, key.values, item.values, type=target, mask=array.is_null())
    return _without(values, [_rows(offsets, item.bad)] if item.bad is not None else [])


def _offsets(lists: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])


def _rows(offsets: pa.Array, bad: pa.BooleanArray) -> pa.BooleanArray:
    """Find the lists with a bad element: the count of bad ones grows between their ends."""
    counts = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(bad.cast(pa.int32()))])
    ends = counts.take(offsets)
    return pc.not_equal(ends[1:], ends[:-1])


def _without(values: pa.Array, bad: list[pa.BooleanArray]) -> Converted:
    if not bad:
        return Converted(values)
    mask = reduce(pc.or_, bad)
    return Converted(_nulled(values, mask), mask)


def _nulled(array: pa.Array, mask: pa.BooleanArray) -> pa.Array:
    """Put NULL where ``mask`` is true, in an array of any type."""
    return array.take(only(_numbers(len(array)), pc.invert(mask)))


def _numbers(count: int) -> pa.Array:
    return pa.arange(0, count)
