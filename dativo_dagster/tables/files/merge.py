"""Merge, SCD2 and slices in a folder of files: the rows of a run meet those of the manifest.

The run's own files are taken in as they are when all of their rows count; else their rows that count are written again,
and the files stay where nobody looks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from dativo_dagster.formats.units import Units
from dativo_dagster.merging.again import Again
from dativo_dagster.merging.begin import MERGES, begin
from dativo_dagster.merging.rewrite import found
from dativo_dagster.merging.rows import Decision, Fate
from dativo_dagster.merging.slices import inside
from dativo_dagster.merging.source import chosen
from dativo_dagster.tables.files.rows import File, schema_of
from dativo_dagster.tables.files.write import Writer, layout
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import Slice, TableSpec
    from dativo_dagster.merging.begin import Meeting
    from dativo_dagster.tables.files.folder import Folder
    from dativo_ingest.model import Column, DataFile, Staged

REPLACING = frozenset({"overwrite", "overwrite_partitions"})


def meeting(spec: TableSpec, staged: Staged, folder: Folder) -> Merging | None:
    """Give what decides on the files of a commit; None when files come and go as they are."""
    if staged.mode in MERGES or (staged.mode in REPLACING and spec.slice is not None):
        return Merging(spec, staged, folder)
    return None


@dataclass
class Merging:
    """One run that meets the rows of the table, over all attempts of its commit.

    Args:
        spec: What the job says of the table.
        staged: The run.
        folder: The table's folder.
    """

    spec: TableSpec
    staged: Staged
    folder: Folder
    _begun: list[Meeting] = field(default_factory=list)

    @cached_property
    def again(self) -> Again:
        """Give what writes files again."""
        return Again(self.spec.file_size_bytes, self._delete)

    def change(self, old: Sequence[DataFile], columns: Sequence[Column]) -> tuple[set[str], list[DataFile]]:
        """Decide what the commit does to the files, and write what must be written for it.

        Args:
            old: The files of the manifest.
            columns: The table's columns from now on.

        Returns:
            The paths of files that go, as the manifest has them, and the files that come, as they were written.
        """
        schema, storage = schema_of(columns), self.folder.storage
        target = [File(storage, f"{self.folder.location}/{f.path}", f, schema) for f in old]
        source = [File(storage, self._lies(f.path), f, schema) for f in self.staged.files]
        decision = self._decide(source, target, schema)
        gone = {f.path for f, fate in zip(old, decision.target, strict=True) if fate.touched}
        whole = [f for f, fate in zip(self.staged.files, decision.source, strict=True) if not fate.touched]
        touched = [*_left(target, decision.target), *_left(source, decision.source)]
        made = layout(self.folder, self.spec)
        # Rows from before a column was required may have NULL in it.
        made = dataclasses.replace(made, schema=chosen(schema, made.keep))

        def make(rows: Iterator[pa.RecordBatch], name: str) -> list[DataFile]:
            return Writer(Units(made, self.staged.token, None), None).write(rows, name)

        return gone, whole + self.again.write(touched, schema.names, make, str(schema))

    def _decide(self, source: Sequence[File], target: Sequence[File], schema: pa.Schema) -> Decision:
        if self.staged.mode in MERGES:
            if not self._begun:
                self._begun.append(begin(self.spec, self.staged, source, schema))
            return self._begun[0].decide(target)
        assert self.spec.slice is not None  # noqa: S101 - see `meeting`
        return _sliced(self.spec.slice, source, target)

    def _lies(self, path: str) -> str:
        """Give where a staged file lies: an attempt before may have moved it to where it is going."""
        if self.folder.storage.find(path) is not None:
            return path
        return f"{self.folder.location}/{self.folder.final(path)}"

    def _delete(self, path: str) -> None:
        for place in {path, f"{self.folder.location}/{self.folder.final(path)}"}:
            self.folder.storage.delete(place)


def _sliced(part: Slice, source: Sequence[File], target: Sequence[File]) -> Decision:
    """Let the rows of a slice make room for the run's."""
    if any(len(found(file, [part.column], lambda b: pc.invert(inside(b.column(0), part)))) for file in source):
        raise ConfigurationError(
            f"the run of partition {part.key!r} has rows whose {part.column!r} is not in it; running it again would "
            "leave them there and add them once more. If "
            "the column keeps times of another zone, say its `timezone` in the contract",
            "OUTSIDE_SLICE",
            {"partition": part.key, "column": part.column},
        )
    gone = [Fate(gone=found(file, [part.column], lambda b: inside(b.column(0), part))) for file in target]
    return Decision(source=[Fate() for _ in source], target=gone)


def _left(files: Iterable[File], fates: Iterable[Fate]) -> Iterator[tuple[File, Fate]]:
    """Give the files of which something stays, but not all as it is."""
    for file, fate in zip(files, fates, strict=True):
        if fate.touched and len(fate.gone) < file.rows:
            yield file, fate
