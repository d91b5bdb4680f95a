"""The types of ODCS properties as logical types. For `config.contractodcs`.

ODCS says a logical type for people and a physical one for the system that keeps the data. The physical type counts
where it names the same kind of value; a flag kept as ``TINYINT(1)`` is still a boolean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dativo_dagster.config import types as lt
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from open_data_contract_standard.model import SchemaProperty

_INTEGERS = {
    "tinyint": "int16",  # signed in MySQL, unsigned in SQL Server
    "smallint": "int16",
    "int2": "int16",
    "mediumint": "int32",
    "int4": "int32",
    "int": "int64",  # 64 bits wide in BigQuery, Snowflake and SQLite
    "integer": "int64",
    "int8": "int64",
    "bigint": "int64",
    "long": "int64",
    "serial": "int32",
    "bigserial": "int64",
}
_OTHERS = {
    "double precision": "double",
    "float8": "double",
    "float4": "float32",
    "real": "float32",
    "char": "string",
    "character": "string",
    "character varying": "string",
    "nvarchar": "string",
    "varchar2": "string",
    "uniqueidentifier": "uuid",
    "jsonb": "json",
    "variant": "json",
    "super": "json",
    "bytea": "binary",
    "blob": "binary",
    "varbinary": "binary",
    "timestamp without time zone": "timestamp",
    "timestamp_ntz": "timestamp",
    "datetime2": "timestamp",
    "timestamp with time zone": "timestamptz",
    "timestamp_tz": "timestamptz",
    "timestamp_ltz": "timestamptz",
    "datetimeoffset": "timestamptz",
    "time without time zone": "time",
}
_PHYSICAL = re.compile(r"\s*([a-z_0-9]+(?: [a-z_ ]+)?)\s*(?:\(([^)]*)\))?\s*((?:with|without) time zone)?\s*")
_FORMATS = {
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "i128": "decimal(38,0)",
    "u128": "decimal(38,0)",
    "f32": "float32",
    "f64": "double",
}
_ELEMENTS = {"float16": "float32", "float64": "double", "int8": "int8", "uint8": "uint8"}
_SECONDS = 3
_MICROSECONDS = 6


def odcs_type(said: SchemaProperty) -> lt.LogicalType:
    """Give the logical type of a property.

    Raises:
        ConfigurationError: ``BAD_TYPE``, it says no type, or none that we know.
    """
    physical = _physical(said.physicalType)
    if said.logicalType is None:
        if physical is None:
            why = f"physicalType {said.physicalType!r} is not known" if said.physicalType else "there is no type"
            raise _bad(f"{why}; say a logicalType: {', '.join(_LOGICAL)}")
        return physical
    if said.logicalType not in _LOGICAL:
        raise _bad(f"logicalType {said.logicalType!r} is not one of {', '.join(_LOGICAL)}")
    fits, plain = _LOGICAL[said.logicalType]
    # Children and formats of the standard itself are more exact than the words of some system.
    own = plain(said, said.logicalTypeOptions or {})
    is_told = bool(said.properties or said.items or said.map or "format" in (said.logicalTypeOptions or {}))
    return physical if physical is not None and not is_told and fits(physical) else own


def _physical(text: str | None) -> lt.LogicalType | None:
    """Read a type of some SQL or of our own grammar; None when it says nothing to us."""
    found = _PHYSICAL.fullmatch(text.lower()) if text else None
    if text is None:
        return None
    if found:
        base, arguments, zone = found[1].strip(), found[2] or "", found[3]
        word = f"{base} {zone}" if zone else base
        if word in _INTEGERS or word in _OTHERS:
            return _with_fraction(lt.parse_type({**_INTEGERS, **_OTHERS}[word]), arguments)
        if base in {"varchar", "text", "string"}:
            return lt.Primitive("string")
        if base in {"number", "dec", "numeric", "decimal"} and arguments:
            return _parsed(f"decimal({arguments})")
        if base in {"timestamp", "timestamptz", "datetime", "time"} and arguments:
            return _with_fraction(lt.parse_type(base), arguments)
    return _parsed(text)


def _parsed(text: str) -> lt.LogicalType | None:
    try:
        return lt.parse_type(text)
    except ConfigurationError:
        return None


def _with_fraction(kind: lt.LogicalType, digits: str) -> lt.LogicalType:
    """Give a moment the unit that holds its digits of a second."""
    if not isinstance(kind, (lt.Time, lt.Timestamp)) or not digits.strip().isdigit():
        return kind
    unit: lt.Unit = "ns" if int(digits) > _MICROSECONDS else "us"
    return lt.Time(unit) if isinstance(kind, lt.Time) else lt.Timestamp(unit, zoned=kind.zoned)


def _bad(why: str) -> ConfigurationError:
    return ConfigurationError(why, "BAD_TYPE")


def _is(*names: str) -> Callable[[lt.LogicalType], bool]:
    return lambda kind: (kind.name if isinstance(kind, lt.Primitive) else type(kind).__name__.lower()) in names


def _string(_: SchemaProperty, options: dict[str, Any]) -> lt.LogicalType:
    made = {"uuid": "uuid", "byte": "binary", "binary": "binary"}
    return lt.parse_type(made.get(options.get("format", ""), "string"))


def _number(_: SchemaProperty, options: dict[str, Any]) -> lt.LogicalType:
    return lt.parse_type(_FORMATS.get(options.get("format", ""), "double"))


def _integer(_: SchemaProperty, options: dict[str, Any]) -> lt.LogicalType:
    return lt.parse_type(_FORMATS.get(options.get("format", ""), "int64"))


def _timestamp(_: SchemaProperty, options: dict[str, Any]) -> lt.LogicalType:
    return lt.Timestamp(zoned=bool(options.get("timezone") or options.get("defaultTimezone")))


def _object(said: SchemaProperty, _: dict[str, Any]) -> lt.LogicalType:
    if not said.properties:
        return lt.Primitive("json")
    return lt.Struct(tuple((p.physicalName or p.name or "", odcs_type(p)) for p in said.properties))


def _array(said: SchemaProperty, _: dict[str, Any]) -> lt.LogicalType:
    return lt.List(odcs_type(said.items)) if said.items else lt.Primitive("json")


def _map(said: SchemaProperty, _: dict[str, Any]) -> lt.LogicalType:
    if said.map is None or said.map.key is None or said.map.value is None:
        raise _bad("a map says its `key` and its `value`")
    return lt.Map(odcs_type(said.map.key), odcs_type(said.map.value))


def _vector(_: SchemaProperty, options: dict[str, Any]) -> lt.LogicalType:
    return lt.List(lt.parse_type(_ELEMENTS.get(options.get("elementType", ""), "float32")))


def _simple(name: str) -> Callable[[SchemaProperty, dict[str, Any]], lt.LogicalType]:
    return lambda _, __: lt.parse_type(name)


_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_LOGICAL: dict[
    str, tuple[Callable[[lt.LogicalType], bool], Callable[[SchemaProperty, dict[str, Any]], lt.LogicalType]]
] = {
    "string": (_is("string", "uuid", "json", "binary"), _string),
    "date": (_is("date", "timestamp"), _simple("date")),  # before ODCS 3.1 a date could be a moment
    "timestamp": (_is("timestamp"), _timestamp),
    "time": (_is("time"), _simple("time")),
    "number": (_is("decimal", "double", "float32", *_WHOLE), _number),
    "integer": (_is("decimal", *_WHOLE), _integer),
    "boolean": (_is("boolean"), _simple("boolean")),
    "object": (_is("struct", "map", "json"), _object),
    "array": (_is("list", "json"), _array),
    "map": (_is("map"), _map),
    "vector": (_is("list"), _vector),
}
