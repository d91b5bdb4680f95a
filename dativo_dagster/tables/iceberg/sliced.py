"""Overwriting one part of a table: exactly the rows of a slice make room for the run's.

Files that lie in the slice as a whole go as they are; of those that lie across its border only the other rows are
written again. What bounds tell is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.merging import slices
from dativo_dagster.merging.prune import comparable
from dativo_dagster.merging.rewrite import found
from dativo_dagster.merging.rows import Fate
from dativo_dagster.tables.iceberg.change import Change
from dativo_dagster.tables.iceberg.rows import File, View, bounds
from dativo_dagster.tables.iceberg.schema import arrow
from dativo_dagster.tables.iceberg.write import committed_file
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata

    from dativo_dagster.config.job import Slice
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.iceberg.rewriting import Rewriting
    from dativo_dagster.tables.iceberg.write import Shape
    from dativo_ingest.model import Staged


@dataclass(frozen=True)
class Slicing:
    """One run that replaces a slice, over all attempts of its commit.

    Args:
        part: The slice.
        staged: The run.
        shape: The table as the run's files were written for.
        storage: Opens the store of a URI.
        rewriting: Writes files again.
    """

    part: Slice
    staged: Staged
    shape: Shape
    storage: Callable[[str], Storage]
    rewriting: Rewriting

    def change(self, table: IcebergTable | None, metadata: TableMetadata) -> Change:
        """Decide what the commit does to the table as it is now, and write what must be written for it.

        Raises:
            ConfigurationError: ``BAD_SLICE``: no such column can tell the slice. ``OUTSIDE_SLICE``: the run has rows
                that are not in it.
        """
        added = [committed_file(file, self.shape, metadata.default_spec_id) for file in self.staged.files]
        border = Border.of(self.part, metadata)
        view = View(metadata, None if table is None else table.io, self.storage)
        self._holds(added, view, border)
        if table is None:
            return Change(added=added)
        gone: list[IcebergFile] = []
        touched: list[tuple[File, Fate]] = []
        for task, fate in self._fates(table, view, border):
            gone.append(task.file)
            if fate is not None:
                touched.append((_file(view, task), fate))
        return Change(removed=gone, added=[*added, *self.rewriting.write(touched, metadata)])

    def _holds(self, added: Sequence[IcebergFile], view: View, border: Border) -> None:
        """Refuse rows of the run's that are outside the slice: the next run of it would not replace them."""
        column = self.part.column
        for file in added:
            if border.across(file) == "inside":
                continue
            new = File(view, file.file_path, file.record_count, file.file_size_in_bytes)
            if len(found(new, [column], lambda batch: pc.invert(slices.inside(batch.column(0), self.part)))):
                span = ", ".join(self.part.values) or f"[{self.part.lower}, {self.part.upper})"
                raise ConfigurationError(
                    f"the run of partition {self.part.key!r} has rows whose {column!r} is NULL or not in {span}; "
                    "running it again would leave them there and add them once more. If "
                    "the column keeps times of another zone, say its `timezone` in the contract",
                    "OUTSIDE_SLICE",
                    {"partition": self.part.key, "column": column},
                )

    def _fates(self, table: IcebergTable, view: View, border: Border) -> Iterator[tuple[FileScanTask, Fate | None]]:
        """Yield the files that lose rows, with what becomes of their rows; None for all of them."""
        for task in table.scan().plan_files():
            lies = border.across(task.file)
            if lies == "inside":
                yield task, None
            elif lies == "across":
                file, column = _file(view, task), self.part.column
                positions = found(file, [column], lambda batch: slices.inside(batch.column(0), self.part))
                if len(positions):
                    yield task, None if len(positions) == task.file.record_count else Fate(gone=positions)


def _file(view: View, task: FileScanTask) -> File:
    return File(view, task.file.file_path, task.file.record_count, task.file.file_size_in_bytes, task)


@dataclass(frozen=True)
class Border:
    """The ends of a slice of time as bounds of files have them; None for a slice of values, which no bound tells."""

    part: Slice
    view: TableMetadata
    ends: tuple[int, int] | None

    @classmethod
    def of(cls, part: Slice, metadata: TableMetadata) -> Border:
        """Give the border of a slice in a table.

        Raises:
            ConfigurationError: ``BAD_SLICE``.
        """
        schema = metadata.schema()
        if part.column not in schema.column_names:
            raise ConfigurationError(
                f"the partitions of the job go by column {part.column!r}, which the table does not have; add it to the "
                "contract, or say mode append",
                "BAD_SLICE",
                {"column": part.column},
            )
        if part.lower is None or part.upper is None:
            return cls(part, metadata, None)
        kind = arrow(schema.select(part.column)).field(0).type
        ends = [slices.bound(text, kind, part) for text in (part.lower, part.upper)]
        low, high = comparable(pa.array([end.as_py() for end in ends], kind)).to_pylist()
        return cls(part, metadata, (low, high))

    def across(self, file: IcebergFile) -> str:
        """Say where a file lies: inside, outside or across, which is also where nobody knows."""
        low, high = self._bounds(file)
        if self.ends is None or low is None or high is None:
            return "across"
        if high < self.ends[0] or low >= self.ends[1]:
            return "outside"
        inside = low >= self.ends[0] and high < self.ends[1]
        return "inside" if inside and self._nulls(file) == 0 else "across"

    def _bounds(self, file: IcebergFile) -> tuple[int | None, int | None]:
        return bounds(file, [self.part.column], self.view.schema())[self.part.column]

    def _nulls(self, file: IcebergFile) -> int | None:
        return (file.null_value_counts or {}).get(self.view.schema().find_field(self.part.column).field_id)
