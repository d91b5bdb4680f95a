"""Merge and SCD2: the rows of a run meet those of the table, and the files that they touch are written again.

The run's own files are committed as they are when all of their rows count, and are no part of the table when not: their
rows that count are then written again. What is decided is decided anew in each attempt of the commit, against the table
as it then is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dativo_dagster.formats.partition import Transform
from dativo_dagster.merging.begin import begin
from dativo_dagster.tables.iceberg.change import Change
from dativo_dagster.tables.iceberg.rows import File, View, bounds
from dativo_dagster.tables.iceberg.schema import arrow
from dativo_dagster.tables.iceberg.write import committed_file

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.merging.begin import Meeting
    from dativo_dagster.merging.prune import Ranges
    from dativo_dagster.merging.rows import Fate
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.iceberg.rewriting import Rewriting
    from dativo_dagster.tables.iceberg.write import Shape
    from dativo_ingest.model import Staged


@dataclass
class Merging:
    """One run's merge, over all attempts of its commit.

    Args:
        spec: What the job says of the table.
        staged: The run.
        shape: The table as the run's files were written for.
        storage: Opens the store of a URI.
        rewriting: Writes files again.
    """

    spec: TableSpec
    staged: Staged
    shape: Shape
    storage: Callable[[str], Storage]
    rewriting: Rewriting
    _meeting: list[Meeting] = field(default_factory=list)

    def change(self, table: IcebergTable | None, metadata: TableMetadata) -> Change:
        """Decide what the commit does to the table as it is now, and write what must be written for it.

        Args:
            table: The table; None when the commit makes it.
            metadata: The table as the commit leaves it: the schema has evolved already.

        Raises:
            ValidationError: The run's rows cannot be merged, see `merging.begin`.
        """
        view = View(metadata, None if table is None else table.io, self.storage)
        new = [File(view, file.path, file.rows, file.bytes) for file in self.staged.files]
        if not self._meeting:
            self._meeting.append(begin(self.spec, self.staged, new, arrow(metadata.schema())))
        meeting = self._meeting[0]
        tasks = list(_near(table, metadata, meeting.near)) if table is not None else []
        old = [File(view, t.file.file_path, t.file.record_count, t.file.file_size_in_bytes, t) for t in tasks]
        decision = meeting.decide(old)
        gone = [task.file for task, fate in zip(tasks, decision.target, strict=True) if fate.touched]
        spec_id = metadata.default_spec_id
        whole = [f for f, fate in zip(self.staged.files, decision.source, strict=True) if not fate.touched]
        added = [committed_file(file, self.shape, spec_id) for file in whole]
        touched = [*_touched(old, decision.target), *_touched(new, decision.source)]
        return Change(removed=gone, added=[*added, *self.rewriting.write(touched, metadata)])


def _touched(files: Sequence[File], fates: Sequence[Fate]) -> Iterator[tuple[File, Fate]]:
    """Give the files of which something stays, but not all as it is."""
    for file, fate in zip(files, fates, strict=True):
        if fate.touched and (file.deletes or len(fate.gone) < file.rows):
            yield file, fate


def _near(table: IcebergTable, metadata: TableMetadata, near: Ranges | None) -> Iterator[FileScanTask]:
    """Give the files that may have a key of the run, by the bounds of their columns and the buckets of their keys."""
    schema = table.schema()
    buckets: dict[tuple[str, str], set[int]] = {}
    for task in table.scan().plan_files():
        if near is None:
            yield task
            continue
        known = [name for name in near.columns if schema.find_field(name)]
        if near.meet(bounds(task.file, known, schema)) and _in_bucket(task, metadata, near, buckets):
            yield task


def _in_bucket(
    task: FileScanTask, metadata: TableMetadata, near: Ranges, buckets: dict[tuple[str, str], set[int]]
) -> bool:
    """Say whether a file lies in a bucket that a key of the run falls into; ``buckets`` remembers them."""
    spec, schema = metadata.specs()[task.file.spec_id], metadata.schema()
    for at, part in enumerate(spec.fields):
        name, kind = schema.find_column_name(part.source_id), str(part.transform)
        if name not in near.columns or not kind.startswith("bucket"):
            continue
        if (name, kind) not in buckets:
            buckets[name, kind] = set(Transform.parse(kind).apply(near.values[name]).to_pylist())
        if task.file.partition[at] not in buckets[name, kind]:
            return False
    return True
