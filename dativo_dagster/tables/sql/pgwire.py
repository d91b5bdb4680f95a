"""Arrow columns as the ADBC driver sends and receives them, where these are not the columns' own types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_dagster.config import types as lt
from dativo_dagster.tables.sql import nested
from dativo_dagster.tables.sql.fitting import cast
from dativo_dagster.tables.sql.pgtypes import as_json
from dativo_dagster.tables.sql.session import quoted
from dativo_dagster.validation.typemap import arrow_type, from_python

if TYPE_CHECKING:
    from dativo_ingest.model import Column

_LARGEST = pa.decimal128(20, 0)


def sent_type(kind: lt.LogicalType) -> pa.DataType:
    """Give the type in which the driver takes values of ``kind`` for the column that `pgtypes.native` names."""
    if as_json(kind) or kind == lt.Primitive("json"):
        return pa.json_()
    if kind == lt.Primitive("uint64"):
        return _LARGEST
    return pa.list_(sent_type(kind.element)) if isinstance(kind, lt.List) else arrow_type(kind)


def sent(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """Give a batch as the driver takes it."""
    kinds = [lt.parse_type(c.type) for c in columns]
    arrays = [_sent(array, kind) for array, kind in zip(batch.columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=sent_schema(columns))


def sent_schema(columns: Sequence[Column]) -> pa.Schema:
    """Give the schema of batches as the driver takes them."""
    return pa.schema([pa.field(c.name, sent_type(lt.parse_type(c.type))) for c in columns])


def _sent(array: pa.Array, kind: lt.LogicalType) -> pa.Array:
    if as_json(kind):
        texts = [None if v is None else nested.to_json(v, kind) for v in array.to_pylist(maps_as_pydicts=None)]
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))
    if kind == lt.Primitive("json"):
        return pa.ExtensionArray.from_storage(pa.json_(), array)
    return cast(array, sent_type(kind))


def asked(column: Column) -> str:
    """Give the expression that reads a column: as text where the driver has no exact Arrow type for it."""
    kind = lt.parse_type(column.type)
    name = quoted(column.name)
    inner = kind.element if isinstance(kind, lt.List) and not as_json(kind) else kind
    exact = not (as_json(kind) or isinstance(inner, lt.Decimal) or inner in _AS_TEXT)
    return name if exact else f"{name}::text{'' if inner is kind else '[]'} AS {name}"


_AS_TEXT = (lt.Primitive("uint64"), lt.Primitive("json"), lt.Primitive("uuid"))


def received(batch: pa.RecordBatch, columns: Sequence[Column], schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch that the driver received in the types of its columns."""
    arrays = [
        _received(array, lt.parse_type(column.type), field.type)
        for array, column, field in zip(batch.columns, columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _received(array: pa.Array, kind: lt.LogicalType, wanted: pa.DataType) -> pa.Array:
    if as_json(kind):
        return from_python([None if v is None else nested.from_json(v, kind) for v in array.to_pylist()], wanted)
    if kind == lt.Primitive("uuid"):
        return from_python([_uuid(v) for v in array.to_pylist()], wanted)
    if kind == lt.List(lt.Primitive("uuid")):
        return from_python([v and [_uuid(e) for e in v] for v in array.to_pylist()], wanted)
    return cast(array, wanted)


def _uuid(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text.replace("-", ""))
