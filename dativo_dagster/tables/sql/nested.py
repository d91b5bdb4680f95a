"""Structs, maps and lists of them as JSON, exactly, and back. For databases that have no such types.

A struct is an object, a list an array; a map is an object where its keys are text, else an array of ``{key, value}``.
Numbers are numbers with all their digits, but NaN and the infinities are texts; times are ISO 8601, binary is hex.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from dativo_dagster.config import types as lt

Convert = Callable[[Any], Any]


class _Exact(str):
    """A number as its digits."""

    __slots__ = ()


def to_json(value: Any, kind: lt.LogicalType) -> str:
    """Give a value as JSON text."""
    return _text(_writer(kind)(value))


def from_json(text: str, kind: lt.LogicalType) -> Any:
    """Give the value as Arrow takes it from Python."""
    return _reader(kind)(json.loads(text, parse_float=_Exact, parse_int=_Exact, parse_constant=_Exact))


def _text(value: Any) -> str:
    if isinstance(value, _Exact):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> Any:
    return _Exact(repr(value)) if math.isfinite(value) else repr(value)


_WRITE: dict[str, Convert] = {
    "binary": lambda v: base64.b16encode(v).decode().lower(),
    "uuid": str,
    "float32": _number,
    "double": _number,
}
_READ: dict[str, Convert] = {
    "binary": lambda v: base64.b16decode(v.upper()),
    "uuid": lambda v: UUID(v).bytes,
    "boolean": bool,
    "string": str,
    "json": str,
    "float32": float,
    "double": float,
    "date": date.fromisoformat,
}


_OTHERS: dict[type[lt.LogicalType], Convert] = {
    lt.Decimal: Decimal,
    lt.Time: time.fromisoformat,
    lt.Timestamp: datetime.fromisoformat,
}


@cache
def _writer(kind: lt.LogicalType) -> Convert:
    return _nullable(_write_some(kind))


def _write_some(kind: lt.LogicalType) -> Convert:
    if isinstance(kind, lt.List):
        element = _writer(kind.element)
        return lambda v: [element(e) for e in v]
    if isinstance(kind, lt.Struct):
        fields = [(name, _writer(inner)) for name, inner in kind.fields]
        return lambda v: {name: write(v[name]) for name, write in fields}
    if isinstance(kind, lt.Map):
        key, value = _writer(kind.key), _writer(kind.value)
        if kind.key == lt.Primitive("string"):
            return lambda v: {k: value(e) for k, e in v}
        return lambda v: [{"key": key(k), "value": value(e)} for k, e in v]
    if isinstance(kind, lt.Primitive):
        plain: Convert = (_Exact) if "int" in kind.name else lambda v: v
        return _WRITE.get(kind.name, date.isoformat if kind.name == "date" else plain)
    return (lambda v: _Exact(f"{v:f}")) if isinstance(kind, lt.Decimal) else lambda v: v.isoformat()


@cache
def _reader(kind: lt.LogicalType) -> Convert:
    return _nullable(_read_some(kind))


def _read_some(kind: lt.LogicalType) -> Convert:
    if isinstance(kind, lt.List):
        element = _reader(kind.element)
        return lambda v: [element(e) for e in v]
    if isinstance(kind, lt.Struct):
        fields = [(name, _reader(inner)) for name, inner in kind.fields]
        return lambda v: {name: read(v.get(name)) for name, read in fields}
    if isinstance(kind, lt.Map):
        key, value = _reader(kind.key), _reader(kind.value)
        if kind.key == lt.Primitive("string"):
            return lambda v: [(k, value(e)) for k, e in v.items()]
        return lambda v: [(key(e["key"]), value(e["value"])) for e in v]
    return _READ.get(kind.name, int) if isinstance(kind, lt.Primitive) else _OTHERS[type(kind)]


def _nullable(convert: Convert) -> Convert:
    return lambda v: None if v is None else convert(v)
