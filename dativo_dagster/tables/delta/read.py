"""Rows and columns of a Delta table in the logical types that were written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_dagster.config.types import parse_type
from dativo_dagster.tables.delta import types
from dativo_dagster.validation.typemap import arrow_field

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from dativo_ingest.model import Column


def columns_of(table: DeltaTable) -> tuple[Column, ...]:
    """Give the columns of a table as it stands."""
    return types.columns_of(json.loads(table.schema().to_json()))


def batches(table: DeltaTable, *names: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows; only some columns when they are named."""
    columns = [c for c in columns_of(table) if not names or c.name in names]
    kinds = [parse_type(c.type) for c in columns]
    schema = pa.schema([arrow_field(c.name, kind) for c, kind in zip(columns, kinds, strict=True)])
    for batch in table.to_pyarrow_dataset().to_batches(columns=[c.name for c in columns]):
        arrays = [types.restored(a, kind) for a, kind in zip(batch.columns, kinds, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
