"""Parquet files that a custom writer lays down in a table's stead. Table writers call it in place of `formats.rolling`.

The writer is trusted with the encoding, not with the truth: each file's footer is read back, and its columns, field ids
and rows are held against what was given.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dativo_dagster.formats.in_order import ahead
from dativo_dagster.formats.partition import folder, split
from dativo_dagster.formats.rolling import AHEAD, WAITING_BYTES, Finished, Layout, Values
from dativo_ingest.exceptions import DativoError, PluginError

if TYPE_CHECKING:
    from dativo_ingest.model import DataFile
    from dativo_ingest.protocols import WriterPlugin

FIELD_ID = b"PARQUET:field_id"
_SECONDS = frozenset({"time32[s]", "timestamp[s]", "timestamp[s, tz=UTC]"})  # Parquet has no unit as coarse


@dataclass
class _Waiting:
    """Rows of one partition that wait to be written."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    bytes: int = 0


class Laid:
    """Has the batches of one unit written by a plugin.

    A table without partitions is one stream into the plugin, whatever its size. With partitions rows wait in memory,
    64 MiB in all, and each partition's are written together; such files are smaller than the target size.

    Args:
        layout: Where and how.
        token: The commit that the files are for.
        unit: The unit that they come from, with a name that is safe and unique within the commit.
    """

    def __init__(self, layout: Layout, plugin: WriterPlugin, token: str, unit: str) -> None:
        self.layout = layout
        self.plugin = plugin
        self.stem = f"{token}-{re.sub(r'[^A-Za-z0-9_.-]', '_', unit)}"
        self.finished: list[Finished] = []
        self.written: list[DataFile] = []
        self.asked: list[tuple[str, str]] = []
        self.waiting: dict[Values, _Waiting] = {}

    def write(self, batches: Iterable[Any]) -> list[Finished]:
        """Write all batches and give the files.

        Raises:
            PluginError: ``PLUGIN_LOST_ROWS`` or ``PLUGIN_BAD_FILE``. Whatever is raised, no file of this unit is left.
        """
        try:
            with closing(ahead(batches, AHEAD)) as made:
                if self.layout.partitioning:
                    self._partitioned(made)
                else:
                    self._put((), made)
        except BaseException:
            self._discard()
            raise
        return self.finished

    def _discard(self) -> None:
        """Leave no file. The plugin may be gone, and a file that it had not finished is one that it never named."""
        with suppress(DativoError):  # the first error matters more; what stays is an orphan like any other
            self.plugin.abort(self.written)
        with suppress(DativoError):
            for base, name in self.asked:
                for file in self.layout.storage.list(base):
                    if name in file.path.rpartition("/")[2]:
                        self.layout.storage.delete(file.path)

    def _partitioned(self, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            for values, rows in split(batch, self.layout.partitioning):
                part = self.waiting.setdefault(values, _Waiting())
                part.batches.append(rows)
                part.bytes += rows.nbytes
            while sum(p.bytes for p in self.waiting.values()) > WAITING_BYTES:
                self._flush(max(self.waiting, key=lambda v: self.waiting[v].bytes))
        for values in list(self.waiting):
            self._flush(values)

    def _flush(self, values: Values) -> None:
        self._put(values, iter(self.waiting.pop(values).batches))

    def _put(self, values: Values, batches: Iterable[pa.RecordBatch]) -> None:
        """Give the plugin one stream of rows and look at what it made of them."""
        given = _Counted(self.layout, batches)
        base = self.layout.base + folder(self.layout.partitioning, values)
        name = f"{self.stem}-{secrets.token_hex(4)}"
        self.asked.append((base, name))
        files = self.plugin.write(iter(given), base, name)
        self.written += files
        _named_as_told(files, name)
        found = [self._finished(file, values) for file in files]
        rows = sum(f.rows for f in found)
        if rows != given.rows:
            raise PluginError(
                f"the custom writer got {given.rows:,} rows of {self.stem} and its files have {rows:,}; nothing of "
                "them is in the table. Report it to the writer's author",
                "PLUGIN_LOST_ROWS",
                {"given": given.rows, "written": rows},
            )
        self.finished += found

    def _finished(self, file: DataFile, values: Values) -> Finished:
        try:
            with self.layout.storage.open_read(file.path) as stream:
                size = stream.seek(0, 2)
                stream.seek(0)
                footer = pq.read_metadata(stream)
        except (pa.ArrowException, OSError) as error:
            raise _bad(file, f"it is no readable Parquet file ({type(error).__name__})") from error
        self._same_columns(file, footer.schema.to_arrow_schema())
        nans = {str(k): int(v) for k, v in (file.statistics.get("nan_value_counts") or {}).items()}
        return Finished(file.path, values, footer.num_rows, size, footer, nans)

    def _same_columns(self, file: DataFile, schema: pa.Schema) -> None:
        wanted = self.layout.schema
        if schema.names != wanted.names:
            raise _bad(file, f"its columns are {schema.names}, and the table's {wanted.names}")
        for theirs, ours in zip(schema, wanted, strict=True):
            if theirs.type != ours.type and not _stored_alike(theirs.type, ours.type):
                raise _bad(file, f"column {ours.name!r} is {theirs.type}, and the table's {ours.type}")
            if _id(ours) is not None and _id(theirs) != _id(ours):
                raise _bad(file, f"column {ours.name!r} has the field id {_id(theirs)}, and the table's {_id(ours)}")


class _Counted:
    """Batches in the table's columns and types, counted as they go."""

    def __init__(self, layout: Layout, batches: Iterable[pa.RecordBatch]) -> None:
        self.layout, self.batches, self.rows = layout, batches, 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            self.rows += batch.num_rows
            yield batch.select(self.layout.keep).cast(self.layout.schema)


def _named_as_told(files: Sequence[DataFile], name: str) -> None:
    """Refuse a file under another name: it may be one that was committed before, or will be written over."""
    seen = set[str]()
    for file in files:
        if f"/{name}" not in file.path or file.path in seen:
            raise _bad(file, "it was named before" if file.path in seen else f"its name does not start with {name!r}")
        seen.add(file.path)


def _stored_alike(theirs: pa.DataType, ours: pa.DataType) -> bool:
    """Compare what Parquet keeps: extension types by their storage, and names inside of lists not at all."""
    ours = ours.storage_type if isinstance(ours, pa.BaseExtensionType) else ours
    theirs = theirs.storage_type if isinstance(theirs, pa.BaseExtensionType) else theirs
    if str(ours) in _SECONDS and str(theirs) == str(ours).replace("[s", "[ms"):
        return True
    if pa.types.is_nested(ours) and type(theirs) is type(ours) and theirs.num_fields == ours.num_fields:
        pairs = ((theirs.field(i).type, ours.field(i).type) for i in range(ours.num_fields))
        return all(a == b or _stored_alike(a, b) for a, b in pairs)
    return bool(theirs == ours)


def _id(column: pa.Field) -> str | None:
    found = (column.metadata or {}).get(FIELD_ID)
    return None if found is None else found.decode()


def _bad(file: DataFile, why: str) -> PluginError:
    return PluginError(
        f"the custom writer's file {file.path} cannot be committed: {why}. Report it to the writer's author",
        "PLUGIN_BAD_FILE",
        {"path": file.path},
    )
