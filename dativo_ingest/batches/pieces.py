"""Small record batches as large ones, in order and without changing a type. Called by `batches`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 65_536
BYTES = 32 * 1024 * 1024
CELLS = 4_000_000
"""A batch is large enough at this many rows, bytes or values."""


class Pieces:
    """Record batches that wait to become one; all their schemas can be had as one schema."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._schema: pa.Schema | None = None
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Add a batch; yields what it makes full, and what it cannot be joined with."""
        schema = self._joined(batch.schema)
        if schema is None:
            yield from self.rest()
            schema = batch.schema
        self._batches.append(batch)
        self._schema = schema
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= ROWS or self._bytes >= BYTES or self._rows * len(schema) >= CELLS:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is here as one batch."""
        import pyarrow as pa

        batches, schema = self._batches, self._schema
        self._batches, self._schema, self._rows, self._bytes = [], None, 0, 0
        if len(batches) == 1:
            yield batches[0]
        elif all(batch.schema.equals(schema) for batch in batches):
            yield from [pa.concat_batches(batches)] if batches else ()
        else:
            tables = [pa.Table.from_batches([batch]) for batch in batches]
            yield from pa.concat_tables(tables, promote_options="default").combine_chunks().to_batches()

    def _joined(self, schema: pa.Schema) -> pa.Schema | None:
        """Give one schema for what is here and one batch more: columns that are absent or all NULL join any."""
        import pyarrow as pa

        if self._schema is None or self._schema.equals(schema):
            return schema
        try:
            return pa.unify_schemas([self._schema, schema])
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return None
