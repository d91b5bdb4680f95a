"""Values of Python, and of numpy and pandas, as plain ones and as text. Called by `pycolumns`.

As text a value is its JSON: ``5``, ``true``, ``{"a":1}``. What JSON has no form for: a string is itself, days and times
are ISO 8601, bytes are base64, a Decimal keeps its digits.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_BASES = (
    *(bool, int, float, str, bytes, decimal.Decimal, datetime.datetime, datetime.date, datetime.time),
    *(datetime.timedelta, uuid.UUID, dict, list),
)
_LISTS = (tuple, set, frozenset, range)
_BYTES = (bytearray, memoryview)
_MISSING = {"NaTType", "NAType"}  # of pandas: they are None
_FOREIGN = ("nanosecond", "nanoseconds", "item")  # what moments of pandas and scalars of numpy have


class Foreign:
    """The base of types that `plain` turns into one of Python's own."""


class Unknown:
    """The base of types that have no place in Arrow."""


@lru_cache(maxsize=1024)
def base_of(kind: type) -> type:
    """Give the type of Python's own that a type stands for, else `Foreign` or `Unknown`."""
    if kind in _BASES:
        return kind
    if issubclass(kind, enum.Enum) or kind.__name__ in _MISSING or any(hasattr(kind, name) for name in _FOREIGN):
        return float if issubclass(kind, float) else Foreign  # numpy's float64 is a float
    if issubclass(kind, _BYTES):
        return bytes
    for base in _BASES:
        if issubclass(kind, base):
            return base
    if issubclass(kind, tuple):
        return list
    return Foreign if issubclass(kind, (*_LISTS, Mapping)) or hasattr(kind, "tolist") else Unknown


def plain(value: Any) -> Any:
    """Give a value as one of Python's own, without loss: nanoseconds, which Python has not, become text."""
    kind = type(value)
    if base_of(kind) is not Foreign:
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if kind.__name__ in _MISSING:
        return None
    if hasattr(value, "nanosecond"):
        return value.isoformat() if value.nanosecond else value.to_pydatetime()
    if hasattr(value, "nanoseconds"):
        return value.isoformat() if value.nanoseconds else value.to_pytimedelta()
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return _scalar(value)
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _scalar(value: Any) -> Any:
    """Give a scalar of numpy; a moment finer than microseconds is an integer there, and here text."""
    found = value.item()
    moment = getattr(getattr(value, "dtype", None), "kind", "") in {"M", "m"}
    return str(value) if moment and isinstance(found, int) else found


def text_of(value: Any) -> str:
    """Give a value as text.

    Raises:
        TypeError: It has no form as text, or something in it has none.
    """
    word = _word(value)
    return word if word is not None else json_of(value)


def json_of(value: Any) -> str:
    """Give a value as JSON on one line."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except TypeError:
        return _written(value)


def _written(value: Any) -> str:
    value = plain(value)
    word = _word(value)
    if word is not None:
        return json.dumps(word, ensure_ascii=False)
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(text_of(k), ensure_ascii=False)}:{_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)


def _word(value: Any) -> str | None:
    """Give a value whose JSON would be a string, without quotes; None for all others."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, datetime.timedelta)) or (isinstance(value, decimal.Decimal) and not value.is_finite()):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return None
