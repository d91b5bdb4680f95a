"""A data file of a table as merging reads it: some columns, in the schema of today, with the position of each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.types import DecimalType

from dativo_dagster.formats.parquet import near_groups, rows_at_once
from dativo_dagster.tables.iceberg.read import as_now, by_id
from dativo_dagster.tables.iceberg.schema import arrow

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.types import IcebergType

    from dativo_dagster.merging.prune import Bounds, Ranges
    from dativo_dagster.storage import Storage


@dataclass(frozen=True)
class View:
    """The table that files are read for: its metadata as the commit will leave it, and how to reach its files.

    ``io`` is only for files that pyiceberg reads.
    """

    metadata: TableMetadata
    io: FileIO | None
    storage: Callable[[str], Storage]

    @property
    def schema(self) -> Schema:
        """Give the schema of today."""
        return self.metadata.schema()


@dataclass(frozen=True)
class File:
    """One file. ``task`` has the deletes of other engines; pyiceberg reads a file that has some."""

    view: View
    path: str
    rows: int
    bytes: int
    task: FileScanTask | None = None

    @property
    def deletes(self) -> tuple[str, ...]:
        """Name the files in which another engine deleted rows of it without writing it again."""
        return tuple(sorted(d.file_path for d in self.task.delete_files)) if self.task is not None else ()

    def read(self, columns: Sequence[str], near: Ranges | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield batches of some columns, each with the position of its first row."""
        schema = self.view.schema.select(*columns)
        wanted = arrow(schema)
        wanted = pa.schema([wanted.field(name) for name in columns])
        if not self.deletes and self.path.endswith(".parquet"):
            with self.view.storage(self.path).open_read(self.path) as stream:
                file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=1024 * 1024)
                names = by_id(file.schema_arrow, wanted)
                if names is not None:
                    yield from _groups(file, names, wanted, near)
                    return
        yield from self._by_pyiceberg(schema, wanted)

    def _by_pyiceberg(self, schema: Schema, wanted: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch]]:
        view, start = self.view, 0
        assert view.io is not None  # noqa: S101 - only files of a table come here
        scan = ArrowScan(view.metadata, view.io, schema, AlwaysTrue())
        for batch in scan.to_record_batches([self.task] if self.task is not None else []):
            yield start, batch.select(wanted.names).cast(wanted)
            start += batch.num_rows


def _groups(
    file: pq.ParquetFile, names: Sequence[str | None], wanted: pa.Schema, near: Ranges | None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Read the row groups that may have a key within ``near``."""
    have = [name for name in names if name is not None]
    told = {name: field.name for name, field in zip(names, wanted, strict=True) if name is not None}
    size = rows_at_once(file.metadata, have)
    for group, start in near_groups(file, told, near):
        first = start
        with closing(file.iter_batches(size, row_groups=[group], columns=have)) as batches:
            for batch in batches:
                yield first, as_now(batch, names, wanted)
                first += batch.num_rows


def bounds(file: IcebergFile, columns: Sequence[str], schema: Schema) -> Bounds:
    """Give the bounds of a file as `merging.prune` has them."""
    found = {}
    for name in columns:
        field = schema.find_field(name)
        lows, highs = ((known or {}).get(field.field_id) for known in (file.lower_bounds, file.upper_bounds))
        found[name] = (_value(lows, field.field_type), _value(highs, field.field_type))
    return found


def _value(data: bytes | None, kind: IcebergType) -> Any:
    """Read a bound; one of text or binary may be a prefix, rounded up where it is the upper one."""
    if data is None:
        return None
    if isinstance(kind, DecimalType):
        return from_bytes(kind, data)
    if str(kind) in {"string", "binary", "uuid"} or str(kind).startswith("fixed"):
        return data
    return int.from_bytes(data, "little", signed=True)  # four bytes of a column that was widened since, or eight
