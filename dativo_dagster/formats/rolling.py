"""Parquet files that are rolled at a size, one open file a partition, with bounded memory. Table writers call it.

Rows wait in memory until they make a row group; a file is opened when its first row group is full, so that a unit
with many small partitions never has more than one file open. A file name is never used twice, see `Rolling.name`.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dativo_dagster.formats.in_order import ahead
from dativo_dagster.formats.parquet import repetitive
from dativo_dagster.formats.partition import folder, split
from dativo_ingest.exceptions import CommitError, DativoError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Partition
    from dativo_dagster.storage import Storage, WriteStream

ROW_GROUP_BYTES = 32 * 1024 * 1024
ROW_GROUP_ROWS = 1024 * 1024
WAITING_BYTES = 64 * 1024 * 1024
OPEN_FILES = 32
AHEAD = 2
OURS = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{8})?-.+-(\d{5}-[0-9a-f]{8}|[0-9a-f]{8}-\d{5})\.(parquet|json)")
"""Names of what we write for commits: files of rows, and entries of `pipeline.ledger`, which are JSON."""
Values = tuple[Any, ...]


@dataclass(frozen=True)
class Layout:
    """Where files go and how they are cut; one for all units of a commit.

    ``base`` ends with a slash. ``keep`` are the columns that go into the files, in the order of ``schema``.
    """

    storage: Storage
    base: str
    schema: pa.Schema
    partitioning: Sequence[Partition]
    file_size_bytes: int
    compression: str
    keep: Sequence[str]


@dataclass(frozen=True)
class Finished:
    """A written file: what its footer says, and the NaN values by column."""

    path: str
    values: Values
    rows: int
    bytes: int
    footer: pq.FileMetaData
    nans: dict[str, int]


@dataclass
class _Open:
    """A partition with rows waiting, and its file once there is one."""

    values: Values
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    bytes: int = 0
    rows: int = 0
    stream: WriteStream | None = None
    writer: pq.ParquetWriter | None = None
    path: str = ""
    nans: dict[str, int] = field(default_factory=dict)


class Rolling:
    """Writes the batches of one unit.

    Args:
        layout: Where and how.
        token: The commit that the files are for.
        unit: The unit that they come from, with a name that is safe and unique within the commit.
    """

    def __init__(self, layout: Layout, token: str, unit: str) -> None:
        self.layout = layout
        self.stem = f"{token}-{re.sub(r'[^A-Za-z0-9_.-]', '_', unit)}"
        self.attempt = secrets.token_hex(4)
        self.ordinal = 0
        self.parts: OrderedDict[Values, _Open] = OrderedDict()
        self.waiting_bytes = 0
        self.finished: list[Finished] = []
        self.row_group_bytes = min(ROW_GROUP_BYTES, layout.file_size_bytes)

    def write(self, batches: Iterable[Any]) -> list[Finished]:
        """Write all batches and give the files.

        Raises:
            CommitError: ``WRITE_FAILED``. Whatever is raised, no file of this unit is left.
        """
        try:
            with closing(ahead(batches, AHEAD)) as made:  # one core reads and validates while another encodes
                for batch in made:
                    self._add(batch)
            for part in list(self.parts.values()):
                self._flush(part)
                self._close(part)
        except BaseException:
            self._discard()
            raise
        return self.finished

    def name(self) -> str:
        """Give the next file name, ``{token}-{unit}-{ordinal}-{attempt}.parquet``; `OURS` knows such names.

        The attempt is random: a repeated or concurrent attempt must never touch the files of another, which may
        be committed already. The rest is the same in every attempt.
        """
        self.ordinal += 1
        return f"{self.stem}-{self.ordinal:05d}-{self.attempt}.parquet"

    def _add(self, batch: pa.RecordBatch) -> None:
        for values, rows in split(batch, self.layout.partitioning):
            part = self.parts.setdefault(values, _Open(values))
            kept = rows.select(self.layout.keep)
            part.waiting.append(kept)
            part.bytes += kept.nbytes
            part.rows += kept.num_rows
            self.waiting_bytes += kept.nbytes
            if part.bytes >= self.row_group_bytes or part.rows >= ROW_GROUP_ROWS:
                self._flush(part)
        while self.waiting_bytes > WAITING_BYTES:
            self._flush(max(self.parts.values(), key=lambda p: p.bytes))

    def _flush(self, part: _Open) -> None:
        """Write the waiting rows as one row group, and roll the file when it is large enough."""
        if not part.waiting:
            return
        waiting, part.waiting = part.waiting, []
        self.waiting_bytes -= part.bytes
        part.bytes = part.rows = 0
        try:
            rows = pa.Table.from_batches(waiting).cast(self.layout.schema)
            self._open(part, rows).write_table(rows, row_group_size=ROW_GROUP_ROWS)
        except ValueError as error:  # Arrow's own is one; its message may hold a value of a row, so ours does not
            raise CommitError(
                f"rows of {self.stem} do not fit the table's columns ({type(error).__name__} of Arrow); nothing of "
                "them is in the table",
                "WRITE_FAILED",
            ) from error
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            if pa.types.is_floating(column.type):
                part.nans[name] = part.nans.get(name, 0) + (pc.sum(pc.is_nan(column)).as_py() or 0)
        assert part.stream is not None  # noqa: S101 - tells mypy what _open did
        if part.stream.tell() >= self.layout.file_size_bytes:
            self._close(part)

    def _open(self, part: _Open, first: pa.Table) -> pq.ParquetWriter:
        if part.writer is None:
            layout = self.layout
            part.path = layout.base + folder(layout.partitioning, part.values) + self.name()
            part.stream = layout.storage.open_write(part.path)
            part.writer = pq.ParquetWriter(
                part.stream,
                layout.schema,
                compression=layout.compression,
                use_dictionary=repetitive(first),
                write_page_index=True,
                store_decimal_as_integer=True,  # as Iceberg has it
            )
        self.parts.move_to_end(part.values)
        self._close_idle()
        return part.writer

    def _close_idle(self) -> None:
        """Keep the number of open files bounded: the one that waited longest for rows is rolled."""
        opened = [p for p in self.parts.values() if p.writer is not None]
        for part in opened[: max(0, len(opened) - OPEN_FILES)]:
            self._close(part)

    def _close(self, part: _Open) -> None:
        if part.writer is None or part.stream is None:
            return
        part.writer.close()
        size = part.stream.tell()
        part.stream.close()
        footer = part.writer.writer.metadata
        self.finished.append(Finished(part.path, part.values, footer.num_rows, size, footer, part.nans))
        part.stream = part.writer = None
        part.nans = {}

    def _discard(self) -> None:
        """Leave no file; what cannot be deleted now is an orphan like any other, and the first error matters more."""
        for part in self.parts.values():
            if part.stream is not None and part.writer is not None:
                part.writer.is_open = False  # or it would write its footer into the closed stream when collected
                part.stream.abort()
        for done in self.finished:
            with suppress(DativoError):
                self.layout.storage.delete(done.path)
