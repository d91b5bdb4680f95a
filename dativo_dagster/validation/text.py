"""Text as values of a contract's types: exact, or that row is bad. Called by `validation.convert`.

What is read, after blanks around it are dropped (a string is kept as it is):

=========== =========================================================================================================
boolean     true 1 yes on / false 0 no off, in any case
integers    decimal digits with an optional sign; neither ``12.0`` nor ``1e3`` nor ``0x1F``
floats      decimal or scientific notation, nan, inf: the nearest float of that width; too large is bad
decimal     the same without nan and inf; exact, so more digits than the scale are bad unless they are zeros
date        ``YYYY-MM-DD`` from year 1 on, also followed by midnight
time        ``HH:MM[:SS[.fraction]]``
timestamp   ISO 8601 with ``T`` or a blank, or a date alone; a fraction finer than the unit is bad, and so is a zone,
            unless the contract says the column's: then it is what clocks there show; nanoseconds hold the years 1678
            to 2261
timestamptz the same with ``Z``, ``UTC`` or an offset; without one only when the contract says the column's zone
uuid        hex with or without hyphens
binary      base64 (RFC 4648)
json        one JSON text, kept as it is
=========== =========================================================================================================

Every parser first tries the whole column with the kernel of Arrow. Only when that fails are the bad rows searched:
by pattern, and then by halving what still fails.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import json
import secrets
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.config import types as lt
from dativo_dagster.validation import moments
from dativo_dagster.validation.converted import Converted, attempt, lost, only, within
from dativo_dagster.validation.typemap import arrow_type

_WORDS = {True: ["true", "1", "yes", "on"], False: ["false", "0", "no", "off"]}
_INTEGER = r"^[+-]?[0-9]{1,38}$"
_FINITE = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?$"
_UUID = r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
_FARTHEST_EXPONENT = 2 * lt.MAX_PRECISION  # of a number that some decimal may hold; 0e99 is left out


def parse(text: pa.Array, kind: lt.LogicalType, zone: str | None = None) -> Converted:
    """Read a string column as values of ``kind``; ``zone`` is where clocks without a zone stood."""
    if text.null_count == len(text):
        return Converted(pa.nulls(len(text), arrow_type(kind)))
    if isinstance(kind, lt.Timestamp):
        return moments.timestamp(text, kind, zone)
    return _parse(kind, text)


@singledispatch
def _parse(kind: lt.LogicalType, text: pa.Array) -> Converted:
    """Refuse: lists, maps and structs are not read from text."""
    return Converted(pa.nulls(len(text), arrow_type(kind)), text.is_valid())


@_parse.register
def _(kind: lt.Primitive, text: pa.Array) -> Converted:
    return _SIMPLE[kind.name](text, arrow_type(kind))


@_parse.register
def _(kind: lt.Decimal, text: pa.Array) -> Converted:
    target = arrow_type(kind)
    digits = pc.max(pc.binary_length(text)).as_py() + kind.scale
    if digits <= lt.MAX_PRECISION and not _has(text, "e", "E"):  # beyond, Arrow's parser wraps around in silence
        try:
            return Converted(text.cast(target))
        except pa.ArrowInvalid:
            pass  # the search below finds which rows
    plain = _decimal_text(text, kind)
    found = attempt(plain, lambda a: a.cast(target), target)
    return Converted(found.values, lost(text, found.values))


@_parse.register
def _(kind: lt.Time, text: pa.Array) -> Converted:
    return moments.time(text, kind)


def _decimal_text(text: pa.Array, kind: lt.Decimal) -> pa.Array:
    """Keep what is a number of digits that fit, without zeros that say nothing."""
    text = pc.utf8_trim_whitespace(text)
    text = only(text, pc.match_substring_regex(text, _FINITE))
    if _has(text, "e", "E"):
        text = pa.array([_expanded(v) for v in text.to_pylist()], text.type)
    text = pc.replace_substring_regex(text, r"^([+-]?)0+([0-9])", r"\1\2")
    text = pc.replace_substring_regex(text, r"^([^.]*\.[0-9]*[1-9]|[^.]*\.)0+$", r"\1")
    fits = rf"^[+-]?(0|[0-9]{{0,{kind.precision - kind.scale}}})(\.[0-9]{{0,{kind.scale}}})?$"
    return only(text, pc.match_substring_regex(text, fits))


def _expanded(number: str | None) -> str | None:
    """Write a number without exponent; Arrow's own reading of exponents is not exact beyond 38 places."""
    if number is None or not ("e" in number or "E" in number):
        return number
    value = decimal.Decimal(number)
    return format(value, "f") if abs(value.adjusted()) <= _FARTHEST_EXPONENT else None


def _integer(text: pa.Array, target: pa.DataType) -> Converted:
    try:
        if not _has(text, "x", "X"):  # Arrow reads hex, a contract does not
            return Converted(text.cast(target))
    except pa.ArrowInvalid:
        pass  # the search below finds which rows
    trimmed = pc.replace_substring_regex(pc.utf8_trim_whitespace(text), r"^([+-]?)0+([0-9])", r"\1\2")
    digits = only(trimmed, pc.match_substring_regex(trimmed, _INTEGER))
    wide = pc.replace_substring_regex(digits, r"^\+", "").cast(pa.decimal128(38, 0))
    values = within(wide, target).cast(target)
    return Converted(values, lost(text, values))


def _float(text: pa.Array, target: pa.DataType) -> Converted:
    try:
        values = text.cast(target)
        if not pc.any(pc.is_inf(values)).as_py():
            return Converted(values)
    except pa.ArrowInvalid:
        pass  # the search below finds which rows
    trimmed = pc.utf8_trim_whitespace(text)
    finite = pc.match_substring_regex(trimmed, _FINITE)
    values = only(trimmed, pc.or_(finite, _is_special(trimmed))).cast(target)
    values = only(values, pc.invert(pc.and_(pc.is_inf(values), finite)))  # 1e999 is a number, and not infinite
    return Converted(values, lost(text, values))


def _is_special(text: pa.Array) -> pa.BooleanArray:
    return pc.match_substring_regex(text, r"(?i)^[+-]?(nan|inf|infinity)$")


def _boolean(text: pa.Array, _: pa.DataType) -> Converted:
    word = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    yes, no = (pc.is_in(word, value_set=pa.array(_WORDS[b], word.type)) for b in (True, False))
    values = only(yes, pc.or_(yes, no))
    return Converted(values, lost(text, values))


def _uuid(text: pa.Array, target: pa.DataType) -> Converted:
    trimmed = pc.utf8_trim_whitespace(text)
    good = pc.fill_null(pc.match_substring_regex(trimmed, _UUID), fill_value=False)
    digits = pc.if_else(good, pc.replace_substring(trimmed, "-", ""), pa.scalar("0" * 32, trimmed.type))
    data = pa.py_buffer(bytes.fromhex("".join(digits.to_pylist())))
    valid = pa.array(good, pa.bool_()).buffers()[1]
    storage = pa.Array.from_buffers(pa.binary(16), len(text), [_bits(good, valid), data])
    values = pa.ExtensionArray.from_storage(target, storage)
    return Converted(values, lost(text, values))


def _bits(mask: pa.BooleanArray, data: pa.Buffer) -> pa.Buffer:
    """Give the bits of a mask from its first row on, as a validity buffer needs them."""
    return data if mask.offset == 0 else pa.concat_arrays([mask]).buffers()[1]


def _binary(text: pa.Array, target: pa.DataType) -> Converted:
    values = pa.array([_unbase64(v) for v in text.to_pylist()], target)  # no kernel of Arrow reads base64
    return Converted(values, lost(text, values))


def _unbase64(value: str | None) -> bytes | None:
    try:
        return None if value is None else base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def _string(text: pa.Array, target: pa.DataType) -> Converted:
    return Converted(text.cast(target))


def _json(text: pa.Array, target: pa.DataType) -> Converted:
    """Keep JSON texts. The whole column is one JSON array to the parser, with a secret between its elements.

    Each element is one text exactly when every second element of the result is the secret, which no text can have.
    """
    mark = json.dumps(secrets.token_hex(16))
    present = text.drop_null().cast(target)
    whole = pc.binary_join(pa.array([present.to_pylist()], pa.list_(target)), f",{mark},")[0].as_py()
    try:
        found = json.loads(f"[{whole}]", parse_constant=_refuse_constant)
        if len(found) == 2 * len(present) - 1 and all(v == json.loads(mark) for v in found[1::2]):
            return Converted(text.cast(target))
    except (ValueError, RecursionError):
        pass  # the search below finds which rows
    values = only(text, pa.array([v is not None and is_json(v) for v in text.to_pylist()])).cast(target)
    return Converted(values, lost(text, values))


def is_json(text: str) -> bool:
    """Say whether ``text`` is one JSON text as RFC 8259 has it, so without NaN and Infinity."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _has(text: pa.Array, *parts: str) -> bool:
    return any(pc.any(pc.match_substring(text, part)).as_py() for part in parts)


_SIMPLE: dict[str, Callable[[pa.Array, pa.DataType], Converted]] = {
    "boolean": _boolean,
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), _integer),
    "float32": _float,
    "double": _float,
    "string": _string,
    "binary": _binary,
    "uuid": _uuid,
    "date": moments.date,
    "json": _json,
}
