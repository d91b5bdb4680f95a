"""JSON Lines as Arrow batches; also one array of objects.

Blocks of lines are parsed by pyarrow, typed as the contract would have them, where that is exact. A block that does
not fit is read again line by line (`json_rows`): values as text with their numbers untouched, and lines that are not
one JSON object in the column ``CORRUPT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.json as pa_json

from dativo_dagster.formats.csv_chunks import Block, Chunks, Quoting
from dativo_dagster.formats.exact import holds
from dativo_dagster.formats.in_order import in_order
from dativo_dagster.formats.json_rows import ArrayText, lines_of, rows_batches
from dativo_dagster.formats.text import check_utf8, utf8

BLOCK_BYTES = 2 * 1024 * 1024
MAX_RECORD_BYTES = 64 * 1024 * 1024
THREADS = 2
_TRIES = 3  # blocks that pyarrow may refuse one after the other before it is asked no more

_T = pa.types


def read_json(
    stream: IO[bytes],
    name: str,
    hint: pa.Schema | None = None,
    *,
    encoding: str | None = None,
    block_bytes: int = BLOCK_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    threads: int = THREADS,
) -> Iterator[pa.RecordBatch]:
    """Yield the records of one plain (already unpacked) file; ``name`` is what messages call it.

    Raises:
        ValidationError: Bytes are not in the encoding, or an array is broken.
        ConfigurationError: A line is longer than ``max_record_bytes``.
    """
    chunks = Chunks(
        utf8(stream, name, encoding),
        name,
        Quoting(quote=None),
        block_bytes=block_bytes,
        max_record_bytes=max_record_bytes,
    )
    parser = _Parser(name, hint or pa.schema([]))
    if chunks.starts_with(b"["):
        array = ArrayText(name, parser.hint, max_record_bytes)
        yield from rows_batches(array.records(_texts(chunks, name)), parser.hint)
        return
    for batches in in_order(_blocks(chunks), parser.parse, threads):
        yield from batches


def _blocks(chunks: Chunks) -> Iterator[Block]:
    while block := chunks.next():
        yield block


def _texts(chunks: Chunks, name: str) -> Iterator[str]:
    while block := chunks.next_text():
        check_utf8(block.data, name, block.line, block.offset)
        yield block.data.decode()


class _Parser:
    """Parses blocks of one file; called from several threads."""

    def __init__(self, name: str, hint: pa.Schema) -> None:
        self.name, self.hint = name, hint
        # Columns that the contract does not have and pyarrow would make moments of: text, as they came.
        self.strings: dict[str, pa.DataType] = {}
        self.types = {f.name: _fast_type(f) for f in hint}
        self.refused = 0 if None not in self.types.values() else _TRIES

    def parse(self, block: Block) -> list[pa.RecordBatch]:
        """Give the rows of a block, corrupt lines behind the others."""
        check_utf8(block.data, self.name, block.line, block.offset)
        table = self._fast(block) if self.refused < _TRIES else None
        if table is not None:
            self.refused = 0
            return [b for b in table.to_batches() if b.num_rows]
        self.refused += 1
        return list(rows_batches(lines_of(block, self.hint), self.hint))

    def _fast(self, block: Block) -> pa.Table | None:
        """Parse with pyarrow; None when it refuses, reads lines otherwise than we do, or loses anything."""
        while True:
            types = {**self.types, **self.strings}
            try:
                table = pa_json.read_json(
                    pa.py_buffer(block.data),
                    read_options=pa_json.ReadOptions(use_threads=False, block_size=len(block.data) + 1),
                    parse_options=pa_json.ParseOptions(explicit_schema=pa.schema(types)),
                )
            except pa.ArrowInvalid:
                return None
            moments = [f.name for f in table.schema if _T.is_timestamp(f.type)]
            if not moments:
                break
            self.strings |= dict.fromkeys(moments, pa.string())
        same = all(table.schema.field(n).type == kind for n, kind in types.items())
        exact = same and all(holds(column) for column in table.columns)
        return table if exact and _one_a_line(block.data, table.num_rows) else None


def _one_a_line(data: bytes, records: int) -> bool:
    """Say whether each line that is not blank starts one of so many objects."""
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if lines == records == data.count(b"\n{") + data.startswith(b"{"):
        return True
    there = [line for line in (line.strip() for line in data.split(b"\n")) if line]
    return len(there) == records and all(line.startswith(b"{") for line in there)


def _fast_type(field: pa.Field) -> pa.DataType | None:
    """Give the type as which pyarrow reads a column exactly, text where validation does; None where neither can."""
    kind = field.type
    if _T.is_struct(kind):
        inner = [(f.name, _fast_type(f)) for f in kind]
        return pa.struct(inner) if all(t is not None for _, t in inner) else None
    if _T.is_list(kind):
        element = _fast_type(kind.value_field)
        return pa.list_(element) if element is not None else None
    if (field.metadata and b"dativo.type" in field.metadata) or _T.is_map(kind) or _T.is_float32(kind):
        return None
    same = _T.is_boolean(kind) or _T.is_integer(kind) or _T.is_float64(kind) or _T.is_decimal128(kind)
    return kind if same else pa.string()
