"""Logical types as DuckDB calls them. Pure text, no connection."""

from __future__ import annotations

from dativo_dagster.config import types as lt
from dativo_dagster.tables.sql.session import quoted

_NAMES: dict[lt.Simple, str] = {
    "boolean": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "uuid": "UUID",
    "date": "DATE",
    "json": "JSON",
}
_TIMESTAMPS = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}


def native(kind: lt.LogicalType) -> str:
    """Give DuckDB's name of a type."""
    if isinstance(kind, lt.List):
        return f"{native(kind.element)}[]"
    if isinstance(kind, lt.Map):
        return f"MAP({native(kind.key)}, {native(kind.value)})"
    if isinstance(kind, lt.Struct):
        return f"STRUCT({', '.join(f'{quoted(name)} {native(inner)}' for name, inner in kind.fields)})"
    if isinstance(kind, lt.Primitive):
        return _NAMES[kind.name]
    return _timed(kind) if isinstance(kind, (lt.Time, lt.Timestamp)) else str(kind)  # a decimal is called the same


def _timed(kind: lt.Time | lt.Timestamp) -> str:
    if isinstance(kind, lt.Time):
        return "TIME_NS" if kind.unit == "ns" else "TIME"
    if kind.zoned:
        return "TIMESTAMPTZ_NS" if kind.unit == "ns" else "TIMESTAMPTZ"
    return _TIMESTAMPS[kind.unit]
