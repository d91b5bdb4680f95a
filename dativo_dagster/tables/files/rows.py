"""A file of the folder as merging reads it, and its rows in the columns of today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dativo_dagster.config.types import parse_type
from dativo_dagster.formats.parquet import near_groups, rows_at_once
from dativo_dagster.validation.typemap import arrow_field

if TYPE_CHECKING:
    from dativo_dagster.merging.prune import Ranges
    from dativo_dagster.storage import Storage
    from dativo_ingest.model import Column, DataFile


@dataclass(frozen=True)
class File:
    """One file. ``path`` is absolute; ``schema`` is that of the table."""

    storage: Storage
    path: str
    file: DataFile
    schema: pa.Schema

    @property
    def rows(self) -> int:
        """Count its rows."""
        return self.file.rows

    @property
    def bytes(self) -> int:
        """Give its size."""
        return self.file.bytes

    def read(self, columns: Sequence[str], near: Ranges | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield batches of some columns, each with the position of its first row."""
        wanted = pa.schema([self.schema.field(name) for name in columns])
        with self.storage.open_read(self.path) as stream:
            parquet = pq.ParquetFile(stream, pre_buffer=False, buffer_size=1024 * 1024)
            have = [name for name in columns if name in parquet.schema_arrow.names]
            size = rows_at_once(parquet.metadata, have)
            for group, start in near_groups(parquet, dict(zip(have, have, strict=True)), near):
                first = start
                for batch in parquet.iter_batches(size, row_groups=[group], columns=have):
                    yield first, fitted(batch, wanted, self.file)
                    first += batch.num_rows


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Give the Arrow schema of a table's columns."""
    return pa.schema([arrow_field(c.name, parse_type(c.type)) for c in columns])


def fitted(batch: pa.RecordBatch, schema: pa.Schema, file: DataFile) -> pa.RecordBatch:
    """Give the rows of a file that an earlier contract wrote in the columns of today."""

    def column(field: pa.Field) -> pa.Array:
        if field.name in batch.schema.names:
            return batch.column(field.name).cast(field.type)
        value = pa.scalar(file.partition.get(field.name)).cast(field.type)
        return pa.repeat(value, batch.num_rows)

    return pa.RecordBatch.from_arrays([column(f) for f in schema], schema=schema)
