"""Columns of Python values as Arrow arrays, exactly. Called by `batches`.

The values of a column decide its type, and only values of one kind do: integers, floats (with integers that a float
holds), decimals (with integers), text, booleans, bytes, days, times, moments with a zone, moments without one, UUIDs,
lists, dicts. All else, mixtures and integers beyond 64 bits, is text by the rule of `values`; the contract then
decides value by value. Text is also what a contract's ``string`` and ``json`` columns get, whatever the values are.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import uuid
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

from dativo_ingest.batches.values import Foreign, Unknown, base_of, plain, text_of

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_ingest.batches.wanted import Want

MOST_FIELDS = 1000
"""A struct has no more fields than this; dicts with more keys are text."""

_REFUSALS = (TypeError, ValueError, ArithmeticError)  # Arrow's own errors inherit from these
_NONE = type(None)
_FLOATS = {float, int, _NONE}


class _Text(Exception):  # noqa: N818 - a signal, caught where it belongs
    """The values have no common type."""


def column(values: Sequence[Any], want: Want, bad: dict[int, str]) -> pa.Array:
    """Give a column as an array.

    Args:
        values: The values by row; None is NULL.
        want: What the contract says.
        bad: Gets a reason for each row whose value cannot be had at all; that value is NULL in the array.
    """
    import pyarrow as pa

    found = _at_once(values)
    if found is not None and (not want.text or pa.types.is_string(found.type)):
        return found
    kinds = _kinds(values)
    if Foreign in kinds:
        values = [plain(v) for v in values]
        kinds = _kinds(values)
    if Unknown in kinds:
        values = _known(values, bad)
        kinds.discard(Unknown)
    if not kinds:
        return pa.nulls(len(values))
    if want.text and kinds != {str}:
        return _text(values, bad)
    try:
        return _typed(values, kinds, want, bad)
    except (_Text, *_REFUSALS):
        return _text(values, bad)


def _at_once(values: Sequence[Any]) -> pa.Array | None:
    """Give integers, booleans, text and floats as Arrow itself finds them: the first three take no others along."""
    import pyarrow as pa

    try:
        found = pa.array(values)
    except _REFUSALS:
        return None
    t, kind = pa.types, found.type
    if t.is_int64(kind) or t.is_string(kind) or t.is_boolean(kind):
        return found
    return found if t.is_float64(kind) and set(map(type, values)) <= _FLOATS else None


def _kinds(values: Sequence[Any]) -> set[type]:
    types: set[type] = set(map(type, values))
    return set(map(base_of, types - {_NONE}))


def _known(values: Sequence[Any], bad: dict[int, str]) -> list[Any]:
    """Give the values without those of unknown types."""
    found = list(values)
    for row, value in enumerate(values):
        if value is not None and base_of(type(value)) is Unknown:
            bad[row] = f"no table can hold a value of type {type(value).__name__}"
            found[row] = None
    return found


def _text(values: Sequence[Any], bad: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    texts: list[str | None] = []
    for row, value in enumerate(values):
        try:
            text = None if value is None else text_of(value)
            if text is not None:
                text.encode()
        except _REFUSALS as error:
            bad[row] = f"it cannot be written as text: {error}"
            text = None
        texts.append(text)
    return pa.array(texts, pa.string())


def _typed(values: Sequence[Any], kinds: set[type], want: Want, bad: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    if len(kinds) == 1:
        (kind,) = kinds
        if kind in _BUILT:
            return _BUILT[kind](values, want, bad)
        return pa.array(values, _SIMPLE[kind]())
    if kinds == {int, float}:
        return pa.array(values, pa.float64())
    if kinds == {int, decimal.Decimal}:
        return _decimals([v if v is None else decimal.Decimal(v) for v in values], want, bad)
    raise _Text


def _moments(values: Sequence[Any], _: Want, __: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    zones = {v.tzinfo is not None for v in values if v is not None}
    if len(zones) > 1:
        raise _Text
    return pa.array(values, pa.timestamp("us", "UTC" if zones.pop() else None))


def _clocks(values: Sequence[Any], _: Want, __: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    if any(v is not None and v.tzinfo is not None for v in values):
        raise _Text
    return pa.array(values, pa.time64("us"))


def _decimals(values: Sequence[Any], want: Want, _: dict[int, str]) -> pa.Array:
    """Give decimals the contract's digits if these hold them: else each batch would have digits of its own."""
    import pyarrow as pa

    if want.word == "decimal" and len(want.numbers) == len(("precision", "scale")):
        with contextlib.suppress(pa.ArrowInvalid):
            return pa.array(values, pa.decimal128(*want.numbers))
    return pa.array(values)


def _uuids(values: Sequence[Any], _: Want, __: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    storage = pa.array([v if v is None else v.bytes for v in values], pa.binary(16))
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def _lists(values: Sequence[Any], want: Want, bad: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    offsets, mask = _offsets(values)
    inside = list(chain.from_iterable(v for v in values if v is not None))
    items = _inner(inside, want.part("element"), offsets, bad)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, mask=mask)


def _dicts(values: Sequence[Any], want: Want, bad: dict[int, str]) -> pa.Array:
    return (_map if want.word == "map" else _struct)(values, want, bad)


def _map(values: Sequence[Any], want: Want, bad: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    offsets, mask = _offsets(values)
    there = [v for v in values if v is not None]
    keys = _inner(list(chain.from_iterable(there)), want.part("key"), offsets, bad)
    items = _inner([v for d in there for v in d.values()], want.part("value"), offsets, bad)
    if keys.null_count:
        raise _Text
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, items, mask=mask)


def _struct(values: Sequence[Any], want: Want, bad: dict[int, str]) -> pa.Array:
    import pyarrow as pa

    names = list(dict.fromkeys(chain.from_iterable(v for v in values if v is not None)))
    if not names or len(names) > MOST_FIELDS or not all(isinstance(n, str) for n in names):
        raise _Text
    children = [column([v if v is None else v.get(n) for v in values], want.part(n), bad) for n in names]
    return pa.StructArray.from_arrays(children, names=names, mask=_mask(values))


def _inner(inside: list[Any], want: Want, offsets: list[int], bad: dict[int, str]) -> pa.Array:
    """Give what lies in lists as one column; a bad value makes the row bad in which its list is."""
    inner: dict[int, str] = {}
    found = column(inside, want, inner)
    for place, reason in inner.items():
        bad[bisect_right(offsets, place) - 1] = reason
    return found


def _offsets(values: Sequence[Any]) -> tuple[list[int], pa.Array | None]:
    return [0, *accumulate(0 if v is None else len(v) for v in values)], _mask(values)


def _mask(values: Sequence[Any]) -> pa.Array | None:
    import pyarrow as pa

    return pa.array([v is None for v in values]) if None in values else None


def _simple(name: str, *arguments: str) -> Callable[[], Any]:
    def make() -> Any:
        import pyarrow as pa

        return getattr(pa, name)(*arguments)

    return make


_SIMPLE: dict[type, Callable[[], Any]] = {
    bool: _simple("bool_"),
    int: _simple("int64"),
    float: _simple("float64"),
    str: _simple("string"),
    bytes: _simple("binary"),
    dt.date: _simple("date32"),
    dt.timedelta: _simple("duration", "us"),
}
_BUILT: dict[type, Callable[[Sequence[Any], Want, dict[int, str]], Any]] = {
    dt.datetime: _moments,
    dt.time: _clocks,
    decimal.Decimal: _decimals,
    uuid.UUID: _uuids,
    list: _lists,
    dict: _dicts,
}
