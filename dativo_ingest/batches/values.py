"""Values of Python, and of numpy and pandas, as plain ones and as text. Called by `columns`.

As text a value is its JSON: ``5``, ``true``, ``{"a":1}``. What JSON has no form for: a string is itself, days and times
are ISO 8601, bytes are base64, a Decimal keeps its digits.
"""

from __future__ import annotations

import array
import base64
import collections
import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

_BASES = (
    *(bool, int, float, str, bytes, decimal.Decimal, dt.datetime, dt.date, dt.time),
    *(dt.timedelta, uuid.UUID, dict, list),
)
_BYTES = (bytearray, memoryview)
_LISTS = (set, frozenset, range, collections.deque, array.array, Mapping)  # and a mapping, which becomes a dict
_STRANGERS = {"numpy", "pandas"}
_MISSING = {"NaTType", "NAType"}  # of pandas: they are None


class Foreign:
    """The base of types that `plain` turns into one of Python's own."""


class Unknown:
    """The base of types that have no place in Arrow."""


def _base_of(kind: type) -> type:
    """Give the type of Python's own that a type stands for, else `Foreign` or `Unknown`."""
    if kind in _BASES:
        return kind
    if issubclass(kind, enum.Enum) or any(c.__module__.partition(".")[0] in _STRANGERS for c in kind.__mro__):
        return float if issubclass(kind, float) else Foreign  # numpy's float64 is a float
    if issubclass(kind, _BYTES):
        return bytes
    if issubclass(kind, tuple):
        return list
    known = (base for base in _BASES if issubclass(kind, base))
    return next(known, Foreign if issubclass(kind, _LISTS) else Unknown)


base_of: Callable[[type], type] = lru_cache(maxsize=1024)(_base_of)


def plain(value: Any) -> Any:  # noqa: PLR0911 - one line a kind of stranger
    """Give a value as one of Python's own, without loss: nanoseconds, which Python has not, become text."""
    kind = type(value)
    if base_of(kind) is not Foreign:
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if kind.__name__ in _MISSING:
        return None
    if isinstance(value, (dt.datetime, dt.timedelta)):
        return _moment(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, array.array) or not hasattr(value, "tolist"):
        return list(value)
    return value.tolist() if value.shape else _scalar(value)


def _moment(value: Any) -> Any:
    """Give a moment or a duration of pandas."""
    finer = value.nanosecond if hasattr(value, "nanosecond") else value.nanoseconds
    if finer:
        return value.isoformat()
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value.to_pytimedelta()


def _scalar(value: Any) -> Any:
    """Give a scalar of numpy; a moment finer than microseconds is an integer there, and here text."""
    found = value.item()
    return str(value) if value.dtype.kind in "Mm" and isinstance(found, int) else found


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
        return _quoted(word)
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_quoted(text_of(k))}:{_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _word(value: Any) -> str | None:
    """Give a value whose JSON would be a string, without quotes; None for all others."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, dt.timedelta)):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return None if value.is_finite() else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return None
