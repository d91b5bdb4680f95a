"""Parquet files as Arrow batches, a row group at a time; and which columns a dictionary makes smaller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dativo_ingest.exceptions import ValidationError

BATCH_ROWS = 128 * 1024
SAMPLE_ROWS = 10_000


def read_parquet(stream: IO[bytes], name: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a seekable Parquet file.

    Raises:
        ValidationError: ``BAD_PARQUET``: it is none, or it is damaged.
    """
    try:
        file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=1024 * 1024)
        yield from file.iter_batches(batch_size=BATCH_ROWS, use_threads=True)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValidationError(
            f"{name}: not a readable Parquet file ({error})", "BAD_PARQUET", {"file": name}
        ) from error


def repetitive(rows: pa.Table) -> list[str]:
    """Name the leaf columns that a dictionary is worth: those whose first rows hold each value twice or more.

    Parquet writers try a dictionary on every column and give it up when it grows too large; for keys, amounts and free
    text that costs a third of the encoding time and makes larger files.
    """
    sample = rows.slice(0, SAMPLE_ROWS)
    return [path for name in sample.column_names for path in _repetitive(name, sample.column(name).combine_chunks())]


def _repetitive(path: str, values: pa.Array) -> list[str]:
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return _repetitive(path, values.storage)
    if pa.types.is_struct(kind):
        children = zip([f.name for f in kind], values.flatten(), strict=True)
        return [leaf for name, child in children for leaf in _repetitive(f"{path}.{name}", child)]
    if pa.types.is_list(kind):
        return _repetitive(f"{path}.list.element", values.flatten())
    if pa.types.is_map(kind):
        return _repetitive(f"{path}.key_value.key", values.keys) + _repetitive(f"{path}.key_value.value", values.items)
    return [path] if 2 * pc.count_distinct(values).as_py() <= len(values) else []
