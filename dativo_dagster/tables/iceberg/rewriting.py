"""Data files written again without some of their rows, or with other values in some: what merges and slices need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dativo_dagster.formats.units import Units
from dativo_dagster.merging.rewrite import rewritten
from dativo_dagster.tables.iceberg.schema import arrow
from dativo_dagster.tables.iceberg.write import Shape, Writer, committed_file, layout
from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table.metadata import TableMetadata

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.merging.rows import Fate
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.iceberg.rows import File
    from dativo_ingest.model import DataFile


@dataclass
class Rewriting:
    """Writes files again for one commit, and remembers what it wrote over all of the commit's attempts.

    A conflict so costs only what the other commit touched: a long merge beside many short appends comes through.

    Args:
        spec: What the job says of the table.
        token: The commit.
        storage: Opens the store of a URI.
    """

    spec: TableSpec
    token: str
    storage: Callable[[str], Storage]
    _written: dict[str, list[DataFile]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def write(self, touched: Sequence[tuple[File, Fate]], metadata: TableMetadata) -> list[IcebergFile]:
        """Write what stays of some files, small ones together; gives the files that take their place."""
        shape = Shape(schema=metadata.schema(), spec=metadata.spec(), properties=metadata.properties)
        for file, _ in touched:
            self._seen.setdefault(file.path, len(self._seen))
        files: list[DataFile] = []
        for group in self._groups(sorted(touched, key=lambda one: self._seen[one[0].path])):
            mark = _mark(group, shape)
            if mark not in self._written:
                self._written[mark] = self._write(group, shape, metadata.location.rstrip("/"))
            files += self._written[mark]
        return [committed_file(file, shape, metadata.default_spec_id) for file in files]

    def forget(self, kept: Iterable[str]) -> None:
        """Remove what was written, but for the paths that were committed. What resists is an orphan like any other."""
        stay = set(kept)
        for file in (f for files in self._written.values() for f in files if f.path not in stay):
            with suppress(DativoError):
                self.storage(file.path).delete(file.path)

    def _groups(self, touched: Sequence[tuple[File, Fate]]) -> Iterator[list[tuple[File, Fate]]]:
        group: list[tuple[File, Fate]] = []
        size = 0
        for file, fate in touched:
            group.append((file, fate))
            size += file.bytes
            if size >= self.spec.file_size_bytes:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _write(self, group: Sequence[tuple[File, Fate]], shape: Shape, location: str) -> list[DataFile]:
        made = layout(
            self.storage(location),
            location,
            shape,
            self.spec.partitioning,
            file_size_bytes=self.spec.file_size_bytes,
            compression=self.spec.compression,
        )
        names = arrow(shape.schema).names
        rows = (batch for file, fate in group for batch in rewritten(file, fate, names))
        return Writer(Units(made, self.token, None), shape, None).write(rows, f"merge{len(self._written):04d}")


def _mark(group: Sequence[tuple[File, Fate]], shape: Shape) -> str:
    """Name a piece of work: equal marks stand for equal files."""
    digest = hashlib.sha256(f"{shape.schema}{shape.spec}".encode())
    for file, fate in group:
        digest.update(f"|{file.path}|".encode())
        digest.update(fate.gone.tobytes() + b"|" + fate.patched.tobytes())
        for name, values in fate.values.items():
            digest.update(f"|{name}|".encode())
            for buffer in values.buffers():
                digest.update(buffer or b"")
    return digest.hexdigest()
