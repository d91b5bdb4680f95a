"""Awkward values of every type: limits, emptiness, NULL, what looks like NULL, and characters that need quotes."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = (
    "",
    " ",
    "NULL",
    "null",
    'a,b;"c"',
    "two\nlines\r\n",
    "tab\tand back\\slash",
    "na\u00efve \u6f22\u5b57 \U0001f980",
    "e\u0301",
    "\ufeffmark",
    "x" * 10_000,
)
BYTES = (b"", b"\x00", b"\x00\xff\xfe", "漢".encode(), b"x" * 1_000)
FLOATS = (0.0, -0.0, 1.5, -1e-45, 3.4e38, float("inf"), float("-inf"), float("nan"))
JSONS = ("null", "{}", "[]", '{"a": [1, null, "b"]}', '"text"', "1e400")
UUIDS = (bytes(16), b"\xff" * 16, bytes(range(16)))
YEARS_1_TO_9999 = (-62_135_596_800, 253_402_300_799)  # seconds around 1970
NANOSECONDS = (-9_223_372_036, 9_223_372_036)  # seconds around 1970 that fit into 64 bits of nanoseconds
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DAY = 86_400


def array(kind: pa.DataType, rows: int, *, nullable: bool = True) -> pa.Array:
    """Make an array whose values come round and round again: each awkward value, with a NULL after the last."""
    import pyarrow as pa

    storage = _storage(kind)
    pattern = [*values(kind), *([None] if nullable else [])]
    found = pa.array([pattern[i % len(pattern)] for i in range(rows)], storage)
    return found if storage == kind else _dressed(found, kind)


def values(kind: pa.DataType) -> Sequence[Any]:
    """Give the awkward values of a type of Arrow, in the form of its storage; NULL is not among them."""
    import pyarrow as pa

    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return UUIDS if kind.extension_name == "arrow.uuid" else values(kind.storage_type)
    makers: tuple[tuple[Callable[[Any], bool], Callable[[Any], Sequence[Any]]], ...] = (
        (t.is_nested, _nested),
        (t.is_boolean, lambda _: (True, False)),
        (t.is_integer, lambda k: _integers(k.bit_width, signed=t.is_signed_integer(k))),
        (t.is_floating, lambda _: FLOATS),
        (t.is_decimal, _decimals),
        (t.is_temporal, _moments),
        (t.is_fixed_size_binary, lambda k: (bytes(k.byte_width), b"\xff" * k.byte_width)),
        (lambda k: t.is_binary(k) or t.is_large_binary(k), lambda _: BYTES),
    )
    return next((make(kind) for fits, make in makers if fits(kind)), TEXTS)


def _integers(bits: int, *, signed: bool) -> Sequence[int]:
    return (0, 1, -1, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 1, 2**bits - 1)


def _decimals(kind: Any) -> Sequence[decimal.Decimal]:
    wide, top = decimal.Context(prec=100), 10**kind.precision - 1
    return [decimal.Decimal(i).scaleb(-kind.scale, wide) for i in (0, 1, -1, top, -top)]


def _moments(kind: Any) -> Sequence[int]:
    """Give a type's first and last moment, and what lies around 1970, as integers of its unit."""
    import pyarrow as pa

    t = pa.types
    if t.is_date32(kind):
        return (0, -1, 19_782, *(s // DAY for s in YEARS_1_TO_9999))
    unit = PER_SECOND["ms" if t.is_date64(kind) else kind.unit]
    if t.is_date64(kind):
        return tuple(s // DAY * DAY * unit for s in (0, *YEARS_1_TO_9999))
    if t.is_time(kind):
        return (0, 1, 43_200 * unit, DAY * unit - 1)
    first, last = NANOSECONDS if unit == PER_SECOND["ns"] else YEARS_1_TO_9999
    return (0, 1, -1, 1_709_210_096 * unit, first * unit, last * unit)


def _nested(kind: Any) -> Sequence[Any]:
    import pyarrow as pa

    t = pa.types
    if t.is_struct(kind):
        inner = {f.name: [*values(f.type), *([None] if f.nullable else [])] for f in kind}
        return [{n: found[i % len(found)] for n, found in inner.items()} for i in range(max(map(len, inner.values())))]
    if t.is_map(kind):
        keys = values(kind.key_type)
        items = [*values(kind.item_type), None]
        return [[], [(key, items[i % len(items)]) for i, key in enumerate(keys)]]
    inside = list(values(kind.value_type))
    return [[], [None], [*inside, None]]


def _storage(kind: Any) -> Any:
    """Give a type whose arrays Python values can make; moments are made from integers."""
    import pyarrow as pa

    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _storage(kind.storage_type)
    if t.is_temporal(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()  # noqa: PLR2004 - bits of a date32 and a time32
    if t.is_list(kind):
        return pa.list_(kind.value_field.with_type(_storage(kind.value_type)))
    if t.is_map(kind):
        key, item = kind.key_field, kind.item_field
        return pa.map_(key.with_type(_storage(key.type)), item.with_type(_storage(item.type)))
    if t.is_struct(kind):
        return pa.struct([f.with_type(_storage(f.type)) for f in kind])
    return kind


def _dressed(found: Any, kind: Any) -> Any:
    """Give an array of a storage type its own type."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _dressed(found, kind.storage_type))
    t = pa.types
    if found.type == kind:
        return found
    if t.is_struct(kind):
        children = [_dressed(found.field(i), f.type) for i, f in enumerate(kind)]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=found.is_null())
    if t.is_map(kind):
        keys, items = _dressed(found.keys, kind.key_type), _dressed(found.items, kind.item_type)
        return pa.MapArray.from_arrays(found.offsets, keys, items, type=kind, mask=found.is_null())
    if t.is_list(kind):
        inner = _dressed(found.values, kind.value_type)
        return pa.ListArray.from_arrays(found.offsets, inner, type=kind, mask=found.is_null())
    return found.view(kind)
