"""Logical types as Arrow and Iceberg have them, and back. Discovery, validation and tables call it.

JSON and UUID have no plain Arrow type: a uuid is the canonical extension ``arrow.uuid``; json is a string whose field
carries the metadata ``dativo.type: json``.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_dagster.config import types as lt
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract

LOGICAL = b"dativo.type"
_JSON = {LOGICAL: b"json"}

_SIMPLE: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "uuid": pa.uuid(),
    "date": pa.date32(),
    "json": pa.string(),
}


def arrow_schema(contract: Contract, *, all_nullable: bool = False) -> pa.Schema:
    """Give the schema of batches that keep ``contract``; `warn` mode has every column nullable."""
    return pa.schema(
        [arrow_field(f.name, f.type, nullable=all_nullable or not f.required) for f in contract.fields],
    )


def arrow_field(name: str, kind: lt.LogicalType, *, nullable: bool = True) -> pa.Field:
    """Give the Arrow field of one column."""
    return pa.field(name, arrow_type(kind), nullable, _JSON if kind == lt.Primitive("json") else None)


@singledispatch
def arrow_type(kind: lt.LogicalType) -> pa.DataType:
    """Give the Arrow type that holds every value of ``kind``."""
    msg = f"no Arrow type for {kind}"
    raise TypeError(msg)


@arrow_type.register
def _(kind: lt.Primitive) -> pa.DataType:
    return _SIMPLE[kind.name]


@arrow_type.register
def _(kind: lt.Decimal) -> pa.DataType:
    return pa.decimal128(kind.precision, kind.scale)


@arrow_type.register
def _(kind: lt.Time) -> pa.DataType:
    return pa.time32(kind.unit) if kind.unit in {"s", "ms"} else pa.time64(kind.unit)


@arrow_type.register
def _(kind: lt.Timestamp) -> pa.DataType:
    return pa.timestamp(kind.unit, "UTC" if kind.zoned else None)


@arrow_type.register
def _(kind: lt.List) -> pa.DataType:
    return pa.list_(arrow_field("element", kind.element))


@arrow_type.register
def _(kind: lt.Map) -> pa.DataType:
    return pa.map_(arrow_field("key", kind.key, nullable=False), arrow_field("value", kind.value))


@arrow_type.register
def _(kind: lt.Struct) -> pa.DataType:
    return pa.struct([arrow_field(name, inner) for name, inner in kind.fields])
