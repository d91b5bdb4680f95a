"""Logical types as Arrow and Iceberg have them, and back. Discovery, validation and tables call it.

JSON and UUID have no plain Arrow type: a uuid is the canonical extension ``arrow.uuid``; json is a string whose field
carries the metadata ``dativo.type: json``.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dativo_dagster.config import types as lt
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dativo_dagster.config.contract import Contract

LOGICAL = b"dativo.type"
_JSON = {LOGICAL: b"json"}

_SIMPLE: dict[lt.Simple, pa.DataType] = {
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


def from_python(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Give an array of Python's values; Arrow itself makes no extension type from them that lies inside another."""
    return pa.array(values, _storage(kind)).cast(kind)


def _storage(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return kind.storage_type
    if pa.types.is_list(kind):
        return pa.list_(_stored(kind.value_field))
    if pa.types.is_map(kind):
        return pa.map_(_stored(kind.key_field), _stored(kind.item_field))
    return pa.struct([_stored(f) for f in kind]) if pa.types.is_struct(kind) else kind


def _stored(field: pa.Field) -> pa.Field:
    return field.with_type(_storage(field.type))


def logical_field(field: pa.Field) -> lt.LogicalType:
    """Give the logical type of a field; unlike its type alone, a field can say that its text is json."""
    if (field.metadata or {}).get(LOGICAL) == b"json":
        return lt.Primitive("json")
    try:
        return logical_type(field.type)
    except ConfigurationError as error:
        raise ConfigurationError(f"column {field.name!r}: {error.message}", error.error_code, error.details) from error


def logical_type(kind: pa.DataType) -> lt.LogicalType:
    """Give the logical type that holds every value of an Arrow type, for discovery.

    Raises:
        ConfigurationError: ``NO_LOGICAL_TYPE``, there is none: durations, intervals, unions, decimals beyond 38 digits.
    """
    if name := _NAMES.get(kind.id):
        return lt.Primitive(name)
    for accepts, make in _COMPOSED:
        if accepts(kind):
            return make(kind)
    message = f"no logical type holds Arrow's {kind}; convert the column at the source or leave it out"
    raise ConfigurationError(message, "NO_LOGICAL_TYPE", {"type": str(kind)})


def _decimal(kind: pa.DataType) -> lt.LogicalType:
    if kind.scale < 0:
        return lt.Decimal(kind.precision - kind.scale)
    return lt.Decimal(max(kind.precision, kind.scale), kind.scale)


def _timestamp(kind: pa.DataType) -> lt.LogicalType:
    return lt.Timestamp(kind.unit, zoned=kind.tz is not None)


def _extension(kind: pa.DataType) -> lt.LogicalType:
    known: dict[str, lt.Simple] = {"arrow.uuid": "uuid", "arrow.json": "json"}
    name = known.get(kind.extension_name)
    return lt.Primitive(name) if name else logical_type(kind.storage_type)


def is_list(kind: pa.DataType) -> bool:
    """Say whether a type of Arrow is some list."""
    t = pa.types
    return any(
        test(kind) for test in (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view)
    )


_NAMES: dict[int, lt.Simple] = {
    **{kind.id: name for name, kind in _SIMPLE.items() if name not in {"uuid", "json"}},
    pa.null().id: "string",
    pa.large_string().id: "string",
    pa.string_view().id: "string",
    pa.large_binary().id: "binary",
    pa.binary_view().id: "binary",
    pa.binary(1).id: "binary",
    pa.date64().id: "date",
    pa.float16().id: "float32",
}

_COMPOSED: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], lt.LogicalType]], ...] = (
    (lambda k: pa.types.is_decimal(k) and not pa.types.is_decimal256(k), _decimal),
    (lambda k: pa.types.is_decimal256(k) and k.precision <= lt.MAX_PRECISION, _decimal),
    (pa.types.is_time, lambda k: lt.Time(k.unit)),
    (pa.types.is_timestamp, _timestamp),
    (lambda k: isinstance(k, pa.BaseExtensionType), _extension),
    (lambda k: pa.types.is_dictionary(k) or pa.types.is_run_end_encoded(k), lambda k: logical_type(k.value_type)),
    (is_list, lambda k: lt.List(logical_field(k.value_field))),
    (pa.types.is_map, lambda k: lt.Map(logical_field(k.key_field), logical_field(k.item_field))),
    (pa.types.is_struct, lambda k: lt.Struct(tuple((f.name, logical_field(f)) for f in k))),
)
