"""Parquet files as Arrow batches, a row group at a time; and which columns a dictionary makes smaller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dativo_ingest.exceptions import ValidationError

BATCH_ROWS = 128 * 1024
BATCH_NUMBERS = 1024 * 1024
BATCH_BYTES = 16 * 1024 * 1024
SAMPLE_ROWS = 10_000
_ORDERED = {("INT32", "NONE"), ("INT64", "NONE"), ("INT32", "DATE"), ("BYTE_ARRAY", "STRING"), ("BYTE_ARRAY", "NONE")}


class Near(Protocol):
    """What somebody looks for in a file, as `merging.prune.Ranges`."""

    def meet(self, bounds: Mapping[str, tuple[Any, Any]]) -> bool:
        """Say whether rows within these bounds may be looked for."""
        ...


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


def rows_at_once(footer: pq.FileMetaData, columns: Sequence[str]) -> int:
    """Say how many rows of some columns to read at once, so that a batch of a wide table is not a large one.

    A few columns of numbers are read many rows at once. Text may be far larger than its pages, which have repeated
    values once.
    """
    if not footer.num_row_groups:
        return BATCH_ROWS
    group, wanted = footer.row_group(0), set(columns)
    chunks = [group.column(at) for at in range(group.num_columns)]
    chunks = [c for c in chunks if c.path_in_schema.partition(".")[0] in wanted]
    size = sum(max(c.total_uncompressed_size, 8 * group.num_rows) for c in chunks)
    plain = all(c.physical_type != "BYTE_ARRAY" and c.path_in_schema in wanted for c in chunks)
    most = BATCH_NUMBERS if plain else BATCH_ROWS
    return max(1024, min(most, int(BATCH_BYTES * group.num_rows // max(size, 1))))


def near_groups(file: pq.ParquetFile, names: Mapping[str, str], near: Near | None) -> Iterator[tuple[int, int]]:
    """Give the row groups whose statistics do not rule them out, each with the position of its first row.

    Args:
        file: The file.
        names: For each column of the file the name under which ``near`` knows it.
        near: What to look for; None for all.
    """
    start = 0
    for at in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(at)
        if near is None or near.meet(_bounds(group, names)):
            yield at, start
        start += group.num_rows


def _bounds(group: pq.RowGroupMetaData, names: Mapping[str, str]) -> dict[str, tuple[Any, Any]]:
    """Give the bounds of columns whose physical values order as the logical ones do."""
    found = {}
    for at in range(group.num_columns):
        chunk = group.column(at)
        known = chunk.statistics if chunk.path_in_schema in names else None
        if known is not None and known.has_min_max and (chunk.physical_type, known.logical_type.type) in _ORDERED:
            low, high = known.min_raw, known.max_raw
            found[names[chunk.path_in_schema]] = (low, high)
    return found
