"""CSV as Arrow batches: every byte of a value kept, every record of the file handed on.

The text is cut into blocks of whole records (`csv_chunks`) which pyarrow parses side by side, typed as the contract
would have them. A block that will not convert is read again with the offending columns as text: validation casts
them row by row. Records with too many or too few fields come in the column ``CORRUPT``.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from dativo_dagster.formats.corrupt import Corrupt, corrupt_batch
from dativo_dagster.formats.csv_chunks import Block, Chunks, Quoting, scan
from dativo_dagster.formats.exact import holds
from dativo_dagster.formats.text import check_utf8, lines_in, utf8
from dativo_ingest.ending import let_go
from dativo_ingest.exceptions import ConfigurationError, ValidationError

BLOCK_BYTES = 2 * 1024 * 1024
MAX_RECORD_BYTES = 64 * 1024 * 1024
THREADS = 2

# A record of the wrong length that we put behind each block. pyarrow reports it unless the block ended inside quotes.
_SENTINEL = "\x02end of block\x03"
_COLUMN = re.compile(r"In CSV column #(\d+)")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a CSV file is written.

    ``columns`` are the names when ``header`` is False. ``null_values`` are the unquoted texts that mean NULL; a
    quoted value is never NULL.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    doubled: bool = True
    header: bool = True
    columns: tuple[str, ...] = ()
    skip_lines: int = 0
    null_values: tuple[str, ...] = ("",)
    encoding: str | None = None

    @property
    def quoting(self) -> Quoting:
        """Give the part that the cutter needs."""
        return Quoting(
            delimiter=self.delimiter.encode(),
            quote=self.quote.encode() if self.quote else None,
            escape=self.escape.encode() if self.escape else None,
            doubled=self.doubled,
        )


def read_csv(
    stream: IO[bytes],
    name: str,
    dialect: Dialect,
    hint: pa.Schema | None = None,
    *,
    block_bytes: int = BLOCK_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    threads: int = THREADS,
) -> Iterator[pa.RecordBatch]:
    """Yield the records of one plain (already unpacked) CSV file; ``name`` is what messages call it.

    Raises:
        ValidationError: The file has no header, a quote is never closed, or bytes are not in the encoding.
        ConfigurationError: The header has a name twice, or the dialect does not fit the file.
    """
    chunks = Chunks(
        utf8(stream, name, dialect.encoding),
        name,
        dialect.quoting,
        block_bytes=block_bytes,
        max_record_bytes=max_record_bytes,
    )
    names = _names(chunks, name, dialect, hint)
    if names is None:
        return
    parser = _Parser(name, dialect, names, hint)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="csv")
    running: deque[tuple[Block, Future[list[pa.RecordBatch] | None]]] = deque()
    try:
        while True:
            while len(running) <= threads and (block := chunks.next()):
                running.append((block, pool.submit(parser.parse, block)))
            if not running:
                return
            block, future = running.popleft()
            parsed = future.result()
            if parsed is None:
                _again(chunks, [block, *(b for b, _ in running)])
                running.clear()
            else:
                yield from parsed
    finally:
        let_go(pool, (future for _, future in running))


def _again(chunks: Chunks, blocks: Sequence[Block]) -> None:
    """Put blocks back of which the first ended inside a quoted value."""
    if blocks[0].last or chunks.care >= Chunks.SUREST:
        raise chunks.unclosed(blocks[0])
    chunks.put_back(blocks)


def _names(chunks: Chunks, name: str, dialect: Dialect, hint: pa.Schema | None) -> tuple[str, ...] | None:
    """Give the columns' names; None for a file without records that needs no header."""
    if not dialect.header:
        chunks.skip_lines(dialect.skip_lines)
        names = dialect.columns or tuple(hint.names if hint is not None else ())
        if not names:
            raise ConfigurationError(
                f"{name}: without a header the columns need names; list them under `columns`", "NO_COLUMN_NAMES"
            )
        return names
    chunks.skip_lines(dialect.skip_lines)
    record = chunks.first_record()
    if record is None:
        raise ValidationError(
            f"{name}: the file is empty, it has not even a header; say `header: false` if it never has one", "NO_HEADER"
        )
    found = _Parser(name, dialect, (), None).header(record)
    names = tuple(text or f"column_{n}" for n, text in enumerate(found, 1))
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        where = ", ".join(f"{n!r} in columns {[i for i, m in enumerate(names, 1) if m == n]}" for n in twice)
        raise ConfigurationError(
            f"{name}:{record.line}: the header has a name twice: {where}. Rename them in the file, or say "
            "`skip_rows: 1` with `header: false` and list unique names under `columns`",
            "DUPLICATE_COLUMN",
            {"file": name, "line": record.line, "columns": twice},
        )
    return names


class _Parser:
    """Parses blocks of one file; called from several threads."""

    def __init__(self, name: str, dialect: Dialect, names: Sequence[str], hint: pa.Schema | None) -> None:
        self.name, self.dialect, self.names = name, dialect, list(names)
        self.sentinel = _SENTINEL if len(names) > 1 else _SENTINEL + dialect.delimiter + _SENTINEL
        hinted = {f.name: f.type for f in hint or ()}
        self.types = {n: _readable(hinted.get(n, pa.string())) for n in names}
        self.integers = {n: hinted[n] for n in names if n in hinted and pa.types.is_integer(hinted[n])}

    def header(self, record: Block) -> list[str]:
        """Give the fields of one record as they are."""
        fields = record.data.count(self.dialect.quoting.delimiter) + 1  # or fewer, if some are inside quotes
        check_utf8(record.data, self.name, record.line, record.offset)
        data = record.data.rstrip(b"\r\n") + b"\n"
        table = pa_csv.read_csv(
            pa.py_buffer(data),
            read_options=pa_csv.ReadOptions(autogenerate_column_names=True, block_size=len(data) + 1),
            parse_options=self._dialect(None),
            convert_options=pa_csv.ConvertOptions(column_types={f"f{n}": pa.string() for n in range(fields)}),
        )
        return [str(column[0].as_py() or "") for column in table.columns]

    def parse(self, block: Block) -> list[pa.RecordBatch] | None:
        """Give the rows of a block, and behind them its corrupt records; None when it ends inside quotes."""
        check_utf8(block.data, self.name, block.line, block.offset)
        types = dict(self.types)
        while True:
            ragged: list[pa_csv.InvalidRow] = []
            try:
                table = self._read(block, types, ragged)
            except pa.ArrowInvalid as error:
                self._loosen(types, error, block)
                continue
            if not ragged or ragged.pop().text != self.sentinel:
                return None
            if doubtful := [n for n in table.column_names if not holds(table.column(n))]:
                types |= dict.fromkeys(doubtful, pa.string())
                continue
            batches = [b for b in self._with_integers(table).to_batches() if b.num_rows]
            return [*batches, self._corrupt(block, ragged)] if ragged else batches

    def _read(self, block: Block, types: dict[str, pa.DataType], ragged: list[pa_csv.InvalidRow]) -> pa.Table:
        def keep(row: pa_csv.InvalidRow) -> str:
            ragged.append(row)
            return "skip"

        newline = b"" if block.data.endswith((b"\n", b"\r")) else b"\n"
        data = b"".join([block.data, newline, self.sentinel.encode(), b"\n"])
        return pa_csv.read_csv(
            pa.py_buffer(data),
            read_options=pa_csv.ReadOptions(column_names=self.names, use_threads=False, block_size=len(data) + 1),
            parse_options=self._dialect(keep),
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                null_values=list(self.dialect.null_values),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                check_utf8=False,  # done for the whole block
            ),
        )

    def _with_integers(self, table: pa.Table) -> pa.Table:
        """Make integers of text, where all of it is decimal digits: as integers, pyarrow would also read 0x1F."""
        for name, kind in self.integers.items():
            text = table.column(name)
            if not any(pc.any(pc.match_substring(text, x)).as_py() for x in "xX"):
                with contextlib.suppress(pa.ArrowInvalid):
                    table = table.set_column(table.schema.get_field_index(name), name, text.cast(kind))
        return table

    def _dialect(self, keep: object) -> pa_csv.ParseOptions:
        return pa_csv.ParseOptions(
            delimiter=self.dialect.delimiter,
            quote_char=self.dialect.quote or False,
            double_quote=self.dialect.doubled,
            escape_char=self.dialect.escape or False,
            ignore_empty_lines=len(self.names) != 1,
            invalid_row_handler=keep,
        )

    def _loosen(self, types: dict[str, pa.DataType], error: pa.ArrowInvalid, block: Block) -> None:
        """Make text of the column that would not convert, or of all when the error does not name one."""
        found = _COLUMN.search(str(error))
        column = self.names[int(found[1])] if found else None
        if column is not None and types[column] != pa.string():
            types[column] = pa.string()
        elif any(t != pa.string() for t in types.values()):
            types |= dict.fromkeys(types, pa.string())
        else:
            raise ValidationError(
                f"{self.name}:{block.line}: the records from here on are no CSV ({error})", "BAD_CSV"
            ) from error

    def _corrupt(self, block: Block, ragged: Sequence[pa_csv.InvalidRow]) -> pa.RecordBatch:
        starts = self._record_starts(block)
        found, last = [], 0
        for row in ragged:
            start = next(islice(starts, row.number - last - 1, None))
            last = row.number
            reason = f"{row.actual_columns} fields, expected {row.expected_columns}"
            line = block.line + lines_in(block.data[:start])
            found.append(Corrupt(record=row.text, reason=reason, line=line, offset=block.offset + start))
        return corrupt_batch(found, [(n, t) for n, t in self.types.items()])

    def _record_starts(self, block: Block) -> Iterator[int]:
        start = 0
        for end in scan(block.data, self.dialect.quoting).record_ends(block.data):
            if len(self.names) == 1 or block.data[start:end].strip(b"\r\n"):
                yield start
            start = end


def _readable(wanted: pa.DataType) -> pa.DataType:
    """Give the type that pyarrow's parser makes exactly; text for all others, which validation casts.

    Left to validation: float32 (rounding), binary, uuid, lists, structs and maps (no text form of pyarrow's).
    """
    exact = (
        pa.types.is_boolean(wanted)
        or pa.types.is_float64(wanted)
        or pa.types.is_decimal(wanted)
        or pa.types.is_date32(wanted)
        or pa.types.is_timestamp(wanted)
    )
    return wanted if exact else pa.string()
