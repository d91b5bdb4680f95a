"""Batches in exactly the Arrow types that the logical types of columns ask for. Knows no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.typemap import arrow_field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dativo_ingest.model import Column


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Give the Arrow schema of columns; all of them may be NULL."""
    return pa.schema([arrow_field(c.name, parse_type(c.type)) for c in columns])


def fitted(batch: pa.RecordBatch, schema: pa.Schema, constants: Mapping[str, Any] | None = None) -> pa.RecordBatch:
    """Give a batch in the columns of ``schema``: cast without loss; ``constants`` or NULL where it has none."""
    arrays = []
    for field in schema:
        at = batch.schema.get_field_index(field.name)
        if at >= 0:
            arrays.append(cast(batch.column(at), field.type))
        else:
            value = (constants or {}).get(field.name, pa.scalar(None))
            arrays.append(pa.repeat(value.cast(field.type), batch.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast without loss; an extension type that only names what its storage is gives way."""
    if array.type == kind:
        return array
    if isinstance(array, pa.ExtensionArray) and not isinstance(kind, pa.BaseExtensionType):
        array = array.storage
    return array.cast(kind)
