"""Parquet files as Arrow batches, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from dativo_ingest.exceptions import ValidationError

BATCH_ROWS = 128 * 1024


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
