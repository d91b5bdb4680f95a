"""Logical types as an Iceberg table (format version 2) stores them, and back. Tables call it.

A type that Iceberg lacks is kept in the nearest one that holds every value: small integers as int or long, uint64 as
decimal(20,0), seconds and milliseconds as microseconds, json as string. Nanoseconds are refused: they would be cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from itertools import count
from typing import TYPE_CHECKING

from pyiceberg import types as it
from pyiceberg.schema import Schema

from dativo_dagster.config import types as lt
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract, Field

_SIMPLE: dict[str, it.PrimitiveType] = {
    "boolean": it.BooleanType(),
    "int8": it.IntegerType(),
    "int16": it.IntegerType(),
    "int32": it.IntegerType(),
    "int64": it.LongType(),
    "uint8": it.IntegerType(),
    "uint16": it.IntegerType(),
    "uint32": it.LongType(),
    "uint64": it.DecimalType(20, 0),
    "float32": it.FloatType(),
    "double": it.DoubleType(),
    "string": it.StringType(),
    "binary": it.BinaryType(),
    "uuid": it.UUIDType(),
    "date": it.DateType(),
    "json": it.StringType(),
}


def iceberg_schema(contract: Contract) -> Schema:
    """Give the schema of a new table: descriptions as docs, and the primary key as identifier if all of it is required.

    Raises:
        ConfigurationError: ``TYPE_UNSUPPORTED``: Iceberg cannot hold a column without loss.
    """
    ids = count(1)
    top = [next(ids) for _ in contract.fields]
    fields = [_field(f, i, ids) for f, i in zip(contract.fields, top, strict=True)]
    keys = [i for f, i in zip(contract.fields, top, strict=True) if f.primary_key]
    required = all(f.required for f in contract.fields if f.primary_key)
    return Schema(*fields, identifier_field_ids=keys if required and _comparable(contract) else [])


def columns_of_iceberg(schema: Schema) -> tuple[Column, ...]:
    """Give the columns of a table in logical types."""
    return tuple(
        Column(name=f.name, type=str(_logical(f.field_type)), nullable=not f.required, description=f.doc or "")
        for f in schema.fields
    )


def _field(field: Field, field_id: int, ids: Iterator[int]) -> it.NestedField:
    try:
        kind = _iceberg(field.type, ids)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"column {field.name!r}: {error.message}", "TYPE_UNSUPPORTED", {"column": field.name}
        ) from error
    return it.NestedField(field_id, field.name, kind, required=field.required, doc=field.description or None)


def _comparable(contract: Contract) -> bool:
    """Say whether Iceberg takes the key: it allows no floating point in an identifier."""
    return not any(str(f.type) in {"float32", "double"} for f in contract.fields if f.primary_key)


def _iceberg(kind: lt.LogicalType, ids: Iterator[int]) -> it.IcebergType:
    if isinstance(kind, lt.List):
        return it.ListType(next(ids), _iceberg(kind.element, ids), element_required=False)
    if isinstance(kind, lt.Map):
        key_id, value_id = next(ids), next(ids)
        return it.MapType(key_id, _iceberg(kind.key, ids), value_id, _iceberg(kind.value, ids), value_required=False)
    if isinstance(kind, lt.Struct):
        numbers = [next(ids) for _ in kind.fields]
        inner = [_iceberg(t, ids) for _, t in kind.fields]
        named = zip(numbers, kind.fields, inner, strict=True)
        return it.StructType(*(it.NestedField(i, name, t, required=False) for i, (name, _), t in named))
    return _flat(kind)


@singledispatch
def _flat(kind: lt.LogicalType) -> it.PrimitiveType:
    msg = f"no Iceberg type for {kind}"
    raise TypeError(msg)


@_flat.register
def _(kind: lt.Primitive) -> it.PrimitiveType:
    return _SIMPLE[kind.name]


@_flat.register
def _(kind: lt.Decimal) -> it.PrimitiveType:
    return it.DecimalType(kind.precision, kind.scale)


@_flat.register
def _(kind: lt.Time) -> it.PrimitiveType:
    _not_finer_than_us(kind.unit, kind)
    return it.TimeType()


@_flat.register
def _(kind: lt.Timestamp) -> it.PrimitiveType:
    _not_finer_than_us(kind.unit, kind)
    return it.TimestamptzType() if kind.zoned else it.TimestampType()


def _not_finer_than_us(unit: str, kind: lt.LogicalType) -> None:
    if unit == "ns":
        raise ConfigurationError(
            f"{kind} is finer than the microseconds of an Iceberg table; say [us] and validation will reject the "
            "values that do not fit",
            "TYPE_UNSUPPORTED",
        )


def _logical(kind: it.IcebergType) -> lt.LogicalType:
    if isinstance(kind, it.DecimalType):
        return lt.Decimal(kind.precision, kind.scale)
    if isinstance(kind, it.ListType):
        return lt.List(_logical(kind.element_type))
    if isinstance(kind, it.MapType):
        return lt.Map(_logical(kind.key_type), _logical(kind.value_type))
    if isinstance(kind, it.StructType):
        return lt.Struct(tuple((f.name, _logical(f.field_type)) for f in kind.fields))
    name = str(kind).partition("[")[0]
    return lt.parse_type(_LOGICAL.get(name, name))


_LOGICAL = {
    "int": "int32",
    "long": "int64",
    "float": "float32",
    "timestamp_ns": "timestamp[ns]",
    "timestamptz_ns": "timestamptz[ns]",
    "fixed": "binary",
}
