"""Logical types of columns, told from a sample of rows. Cautious: what is not surely another type is a string.

Text is judged by its form and not by what a parser would take: ``007`` stays a string, and so does ``1e5``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from dativo_ingest.model import Column
from dativo_ingest.protocols import CORRUPT

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"
_FORMS: tuple[tuple[str, str, pa.DataType], ...] = (
    (r"true|false|True|False|TRUE|FALSE", "boolean", pa.bool_()),
    (r"0|-?[1-9]\d{0,17}", "int64", pa.int64()),
    (_DATE, "date", pa.date32()),
    (rf"{_DATE}[ T]{_TIME}", "timestamp", pa.timestamp("us")),
    (rf"{_DATE}[ T]{_TIME}(Z|[+-]\d{{2}}:?\d{{2}})", "timestamptz", pa.timestamp("us", "UTC")),
    (r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "uuid", pa.string()),
)
_DECIMAL = r"-?(0|[1-9]\d*)(\.\d+)?"
_MAX_DIGITS = 38
_SPARE_DIGITS = 6  # a sample rarely has the largest number


def columns_of(batches: Iterable[pa.RecordBatch], type_of: Callable[[pa.Field], str]) -> list[Column]:
    """Tell the columns from the first batch, none when there is no batch; ``type_of`` names what is typed already."""
    first = next(iter(batches), None)
    if first is None:
        return []
    return [_column(field, first.column(i), type_of) for i, field in enumerate(first.schema) if field.name != CORRUPT]


def _column(field: pa.Field, values: pa.Array, type_of: Callable[[pa.Field], str]) -> Column:
    text = pa.types.is_string(field.type) and not (field.metadata or {})
    kind = _judge(values) if text else type_of(field)
    return Column(name=field.name, type=kind, nullable=field.nullable)


def _judge(values: pa.Array) -> str:
    there = values.drop_null()
    if not len(there):
        return "string"
    for form, kind, arrow in _FORMS:
        if _all_match(there, form) and _casts(there, arrow):
            return kind
    return _decimal(there) if _all_match(there, _DECIMAL) else "string"


def _decimal(values: pa.Array) -> str:
    parts = pc.split_pattern(pc.replace_substring(values, "-", ""), ".").to_pylist()
    scale = max(len(p[1]) if len(p) > 1 else 0 for p in parts)
    whole = max(len(p[0]) for p in parts)
    return (
        f"decimal({min(whole + scale + _SPARE_DIGITS, _MAX_DIGITS)},{scale})"
        if whole + scale <= _MAX_DIGITS
        else "string"
    )


def _all_match(values: pa.Array, form: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, f"^({form})$")).as_py())


def _casts(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
