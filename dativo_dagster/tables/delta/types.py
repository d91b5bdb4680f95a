"""Logical types as Delta has them, and values on the way between the two.

Delta's types: section "Schema Serialization Format" of the Delta transaction log protocol. What it lacks is kept in the
next type that holds every value: unsigned numbers in the next larger one, uuid and json as text. The logical type is
kept in the field's metadata. Times of day, and nanoseconds, have no such type.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dativo_dagster.config import types as lt
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

LOGICAL = "dativo.type"
_NAMES: dict[lt.Simple, str] = {
    "boolean": "boolean",
    "int8": "byte",
    "int16": "short",
    "int32": "integer",
    "int64": "long",
    "uint8": "short",
    "uint16": "integer",
    "uint32": "long",
    "uint64": "decimal(20,0)",
    "float32": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "uuid": "string",
    "date": "date",
    "json": "string",
}
_LOGICAL = {
    **{name: kind for kind, name in _NAMES.items() if not kind.startswith("u") and kind != "json"},
    "timestamp": "timestamptz",
    "timestamp_ntz": "timestamp",
}
_KEPT: dict[str, lt.LogicalType] = {
    kind: lt.parse_type(_LOGICAL.get(name, name)) for kind, name in _NAMES.items() if kind.startswith("u")
}


def delta_type(kind: lt.LogicalType) -> Any:
    """Give Delta's type as its schema has it; None where there is none."""
    if isinstance(kind, lt.Primitive):
        return _NAMES[kind.name]
    if isinstance(kind, lt.Decimal):
        return f"decimal({kind.precision},{kind.scale})"
    if isinstance(kind, lt.Timestamp):
        return None if kind.unit == "ns" else "timestamp" if kind.zoned else "timestamp_ntz"
    return None if isinstance(kind, lt.Time) else _nested(kind)


def _nested(kind: lt.LogicalType) -> Any:
    if isinstance(kind, lt.List):
        element = delta_type(kind.element)
        return element and {"type": "array", "elementType": element, "containsNull": True}
    if isinstance(kind, lt.Map):
        key, value = delta_type(kind.key), delta_type(kind.value)
        return key and value and {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}
    fields = [_field(name, delta_type(inner)) for name, inner in kind.fields] if isinstance(kind, lt.Struct) else []
    return {"type": "struct", "fields": fields} if all(f["type"] for f in fields) else None


def _field(name: str, kind: Any, *, nullable: bool = True, **metadata: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": nullable, "metadata": metadata}


def schema_text(columns: Sequence[Column], table: str) -> str:
    """Give the schema of a table as the log has it.

    Raises:
        ConfigurationError: ``TYPE_UNSUPPORTED``, naming each column.
    """
    kinds = {c.name: delta_type(lt.parse_type(c.type)) for c in columns}
    bad = [f"{c.name!r} ({c.type})" for c in columns if kinds[c.name] is None]
    if bad:
        raise ConfigurationError(
            f"table {table}: Delta has no type that holds every value of {', '.join(bad)}; give the column another "
            "type in the contract, such as a timestamp in microseconds, or string",
            "TYPE_UNSUPPORTED",
            {"columns": bad},
        )
    said = {c.name: {LOGICAL: c.type} | ({"comment": c.description} if c.description else {}) for c in columns}
    fields = [_field(c.name, kinds[c.name], nullable=c.nullable, **said[c.name]) for c in columns]
    return json.dumps({"type": "struct", "fields": fields})


def columns_of(schema: Mapping[str, Any]) -> tuple[Column, ...]:
    """Give the columns that a schema of the log stands for; a logical type counts while the column still stores it."""
    found = []
    for field in schema["fields"]:
        said = field["metadata"].get(LOGICAL)
        kept = said and delta_type(lt.parse_type(said)) == _bare(field["type"])
        kind = said if kept else str(_logical(field["type"]))
        comment = field["metadata"].get("comment", "")
        found.append(Column(name=field["name"], type=kind, nullable=field["nullable"], description=comment))
    return tuple(found)


def _bare(kind: Any) -> Any:
    """Give a type without what is said of its fields, and with everything in it nullable."""
    if isinstance(kind, str):
        return kind
    if kind["type"] == "struct":
        return {"type": "struct", "fields": [_field(f["name"], _bare(f["type"])) for f in kind["fields"]]}
    if kind["type"] == "array":
        return {"type": "array", "elementType": _bare(kind["elementType"]), "containsNull": True}
    key, value = _bare(kind["keyType"]), _bare(kind["valueType"])
    return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}


def _logical(kind: Any) -> lt.LogicalType:
    if isinstance(kind, str):
        return lt.parse_type(_LOGICAL.get(kind, kind))
    if kind["type"] == "array":
        return lt.List(_logical(kind["elementType"]))
    if kind["type"] == "map":
        return lt.Map(_logical(kind["keyType"]), _logical(kind["valueType"]))
    return lt.Struct(tuple((f["name"], _logical(f["type"])) for f in kind["fields"]))


def kept_as(kind: lt.LogicalType) -> lt.LogicalType:
    """Give the logical type of the values as they lie in the files."""
    if isinstance(kind, lt.Primitive):
        return lt.Primitive("string") if kind.name in {"uuid", "json"} else _KEPT.get(kind.name, kind)
    if isinstance(kind, lt.Timestamp):
        return lt.Timestamp("us", zoned=kind.zoned)
    if isinstance(kind, lt.List):
        return lt.List(kept_as(kind.element))
    if isinstance(kind, lt.Map):
        return lt.Map(kept_as(kind.key), kept_as(kind.value))
    if isinstance(kind, lt.Struct):
        return lt.Struct(tuple((name, kept_as(inner)) for name, inner in kind.fields))
    return kind


def stored(array: pa.Array, kind: lt.LogicalType) -> pa.Array:
    """Give values as they lie in the files."""
    return _turned(array, kind, kept_as(kind), str)


def restored(array: pa.Array, kind: lt.LogicalType) -> pa.Array:
    """Give values that lay in the files in their own type."""
    return _turned(array, kind, kind, lambda text: UUID(text).bytes)


def _turned(array: pa.Array, kind: lt.LogicalType, wanted: lt.LogicalType, uuid: Any) -> pa.Array:
    """Cast, and turn each uuid, which Arrow cannot, by itself."""
    from dativo_dagster.validation.typemap import arrow_type, from_python

    if "uuid" not in str(kind):
        return array.cast(arrow_type(wanted))
    turn = _walk(kind, uuid)
    return from_python([turn(v) for v in array.to_pylist()], arrow_type(wanted))


def _walk(kind: lt.LogicalType, uuid: Any) -> Any:
    if kind == lt.Primitive("uuid"):
        return lambda v: None if v is None else uuid(v)
    if isinstance(kind, lt.List):
        element = _walk(kind.element, uuid)
        return lambda v: None if v is None else [element(e) for e in v]
    if isinstance(kind, lt.Map):
        key, value = _walk(kind.key, uuid), _walk(kind.value, uuid)
        return lambda v: None if v is None else [(key(k), value(e)) for k, e in v]
    if isinstance(kind, lt.Struct):
        fields = [(name, _walk(inner, uuid)) for name, inner in kind.fields]
        return lambda v: None if v is None else {name: turn(v[name]) for name, turn in fields}
    return lambda v: v
