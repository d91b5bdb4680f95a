"""The rows of a table as it stands, with bounded memory.

pyiceberg reads whole data files into memory, several at once, also for the first five rows. Files that carry field
ids and have no deletes, as ours, are read here a row group at a time; pyiceberg reads the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan

from dativo_dagster.tables.iceberg.schema import arrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable

    from dativo_dagster.storage import Storage

BATCH_ROWS = 128 * 1024
_ID = b"PARQUET:field_id"


def batches(
    table: IcebergTable, storage: Callable[[str], Storage], *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield all rows of a table; ``storage`` opens the store of a URI."""
    schema = arrow(table.schema())
    for task in table.scan().plan_files():
        yield from _file(table, task, schema, storage, batch_rows)


def _file(
    table: IcebergTable, task: FileScanTask, schema: pa.Schema, storage: Callable[[str], Storage], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    path = task.file.file_path
    if not task.delete_files and path.endswith(".parquet"):
        with storage(path).open_read(path) as stream:
            file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=1024 * 1024)
            names = by_id(file.schema_arrow, schema)
            if names is not None:
                for batch in file.iter_batches(batch_rows, columns=[n for n in names if n is not None]):
                    yield as_now(batch, names, schema)
                return
    yield from ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_record_batches([task])


def by_id(found: pa.Schema, wanted: pa.Schema) -> list[str | None] | None:
    """Name the file's column for each of the table's, None for one that is younger than the file.

    None altogether when the file must be read by pyiceberg: it lacks ids, or a nested column has evolved.
    """
    if any(_ID not in (field.metadata or {}) for field in found):
        return None
    have = {field.metadata[_ID]: field for field in found}
    pairs = [(have.get(field.metadata[_ID]), field) for field in wanted]
    if any(old is not None and pa.types.is_nested(new.type) and old.type != new.type for old, new in pairs):
        return None
    return [old.name if old is not None else None for old, _ in pairs]


def as_now(batch: pa.RecordBatch, names: Sequence[str | None], schema: pa.Schema) -> pa.RecordBatch:
    """Bring a batch of an old file to the table's schema of today: renamed, widened, added columns as NULL."""
    columns = [
        pa.nulls(batch.num_rows, field.type) if name is None else batch.column(name).cast(field.type)
        for name, field in zip(names, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
