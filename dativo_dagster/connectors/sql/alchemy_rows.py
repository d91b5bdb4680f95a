"""Rows of Python values as Arrow columns, and SQLAlchemy's types as logical ones. No float stands for a decimal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
from sqlalchemy import types as st

from dativo_dagster.config.types import MAX_PRECISION

_LOGICAL: tuple[tuple[type, str], ...] = (
    # the first that a type is one of
    (st.Boolean, "boolean"),
    (st.SmallInteger, "int16"),
    (st.BigInteger, "int64"),
    (st.Integer, "int64"),
    (st.Float, "double"),
    (st.Date, "date"),
    (st.Time, "time"),
    (st.JSON, "json"),
    (st.Uuid, "uuid"),
    (st.LargeBinary, "binary"),
    (st.BINARY, "binary"),
    (st.VARBINARY, "binary"),
)


def logical(kind: st.TypeEngine[Any]) -> str:
    """Give the logical type that holds a column, string where there is no better one."""
    if isinstance(kind, st.DateTime):
        # SQLite's TIMESTAMP(6) is reflected with 6 as its zone.
        return "timestamptz" if kind.timezone is True else "timestamp"
    if isinstance(kind, st.Numeric) and not isinstance(kind, st.Float):
        precision, scale = kind.precision, kind.scale or 0
        return f"decimal({precision},{scale})" if precision and precision <= MAX_PRECISION else "string"
    if isinstance(kind, st.Integer) and getattr(kind, "unsigned", False):
        return "uint64"
    return next((name for base, name in _LOGICAL if isinstance(kind, base)), "string")


def batch(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Turn rows by column; each column gets the type that its values ask for, text when they ask for several."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.RecordBatch.from_arrays([_column(list(values)) for values in columns], names=list(names))


def _column(values: list[Any]) -> pa.Array:
    first = next((v for v in values if v is not None), None)
    make = next((make for kind, make in _MADE if isinstance(first, kind)), None)
    try:
        found = pa.array([v if v is None or make is None else make(v) for v in values])
        if not pa.types.is_decimal256(found.type):
            return found
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError, AttributeError):
        pass  # the values are of several kinds, or larger than any type
    return pa.array([None if v is None else _text(v) for v in values], pa.string())


def _text(value: Any) -> str:
    """Write a value so that it can be read back exactly."""
    make = next((make for kind, make in _MADE if isinstance(value, kind)), str)
    return str(make(value))


def _duration(value: timedelta) -> str:
    """Write a duration as the clock of more or less than a day that it stands for: -01:30:00.5."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    seconds, rest = divmod(value // timedelta(microseconds=1), 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_MADE: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (timedelta, _duration),
    (UUID, str),
    (memoryview, bytes),
    (bytearray, bytes),
    (dict, _json),
    (set, lambda value: ",".join(sorted(value))),
)
