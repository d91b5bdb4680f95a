"""Logical types as PostgreSQL has them. Pure text, no connection.

What has no type there, structs, maps and lists of these, is jsonb; see `nested`. Unsigned numbers have the next larger
type that holds them all. Nanoseconds have none: PostgreSQL counts microseconds.
"""

from __future__ import annotations

import re

from dativo_dagster.config import types as lt

_NAMES: dict[lt.Simple, str] = {
    "boolean": "boolean",
    "int8": "smallint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "uint8": "smallint",
    "uint16": "integer",
    "uint32": "bigint",
    "uint64": "numeric(20,0)",
    "float32": "real",
    "double": "double precision",
    "string": "text",
    "binary": "bytea",
    "uuid": "uuid",
    "date": "date",
    "json": "jsonb",
}
_LOGICAL: dict[str, str] = {
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "real": "float32",
    "double precision": "double",
    "text": "string",
    "character varying": "string",
    "json": "json",
    "jsonb": "json",
    "boolean": "boolean",
    "bytea": "binary",
    "uuid": "uuid",
    "date": "date",
    "time without time zone": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "timestamp(3) without time zone": "timestamp[ms]",
    "timestamp(3) with time zone": "timestamptz[ms]",
}


def native(kind: lt.LogicalType) -> str | None:
    """Give PostgreSQL's type, as it writes it itself; None where there is none."""
    if _finer(kind):
        return None
    if as_json(kind):
        return "jsonb"
    return f"{_plain(kind.element)}[]" if isinstance(kind, lt.List) else _plain(kind)


def _plain(kind: lt.LogicalType) -> str:
    if isinstance(kind, lt.Primitive):
        return _NAMES[kind.name]
    if isinstance(kind, lt.Decimal):
        return f"numeric({kind.precision},{kind.scale})"
    if isinstance(kind, lt.Time):
        return "time without time zone"
    return f"timestamp {'with' if isinstance(kind, lt.Timestamp) and kind.zoned else 'without'} time zone"


def as_json(kind: lt.LogicalType) -> bool:
    """Say whether values are kept as jsonb that we write ourselves."""
    if isinstance(kind, lt.List):
        return isinstance(kind.element, (lt.List, lt.Map, lt.Struct)) or kind.element == lt.Primitive("json")
    return isinstance(kind, (lt.Map, lt.Struct))


def same(found: str, kind: lt.LogicalType) -> bool:
    """Say whether a column of the type ``found`` keeps every value of ``kind`` as it is."""
    wanted = native(kind)
    looser = {"numeric" if isinstance(kind, lt.Decimal) else None, "json" if wanted == "jsonb" else None}
    return found == wanted or found in looser


def logical(found: str) -> lt.LogicalType | None:
    """Give the logical type of a column; None where there is none."""
    if found.endswith("[]"):
        element = logical(found.removesuffix("[]"))
        return element and lt.List(element)
    if number := re.fullmatch(r"numeric\((\d+),(\d+)\)", found):
        precision, scale = int(number[1]), int(number[2])
        return lt.Decimal(precision, scale) if scale <= precision <= lt.MAX_PRECISION else None
    name = _LOGICAL.get(re.sub(r"^character varying\(\d+\)$", "character varying", found))
    return lt.parse_type(name) if name else None


def _finer(kind: lt.LogicalType) -> bool:
    """Say whether there are nanoseconds in a type."""
    if isinstance(kind, (lt.Time, lt.Timestamp)):
        return kind.unit == "ns"
    return any(_finer(part) for part in parts(kind))


def parts(kind: lt.LogicalType) -> tuple[lt.LogicalType, ...]:
    """Give the types that a type is made of."""
    if isinstance(kind, lt.List):
        return (kind.element,)
    if isinstance(kind, lt.Map):
        return (kind.key, kind.value)
    return tuple(inner for _, inner in kind.fields) if isinstance(kind, lt.Struct) else ()
