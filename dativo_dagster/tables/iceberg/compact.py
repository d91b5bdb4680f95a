"""Compaction: many small files of a partition become few large ones, in one snapshot that changes no row.

What is rewritten is decided once. A run that commits meanwhile costs at most the bins whose files it took: the others
are committed on top of it. State, tokens and field ids stay what they are; a run that was interrupted by it only tries
its commit once more.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.job import Partition
from dativo_dagster.formats.units import Units
from dativo_dagster.tables.iceberg.attempts import begin, until_done
from dativo_dagster.tables.iceberg.change import comparable_partition
from dativo_dagster.tables.iceberg.producer import produce
from dativo_dagster.tables.iceberg.rows import File, View, bounds
from dativo_dagster.tables.iceberg.schema import arrow
from dativo_dagster.tables.iceberg.write import Shape, Writer, committed_file, layout
from dativo_ingest.exceptions import CommitError, DativoError
from dativo_ingest.model import Upkeep

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import FileScanTask, Transaction
    from pyiceberg.table import Table as IcebergTable

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.storage import Storage
    from dativo_ingest.model import DataFile

MARK = "dativo.compaction"
"""Names a compaction in the summary of its snapshot."""
SMALL = 0.75
"""Files below this share of the target size are packed."""


@dataclass(frozen=True)
class Rewritten:
    """A bin that was written again: what goes and what takes its place."""

    old: Sequence[IcebergFile]
    new: Sequence[DataFile]
    shape: Shape


def compact(
    spec: TableSpec,
    load: Callable[[], IcebergTable | None],
    storage: Callable[[str], Storage],
    *,
    dry_run: bool,
) -> Upkeep:
    """Rewrite small files, and those that are partitioned in an older way, bin by bin.

    Raises:
        CommitError: ``COMMIT_CONFLICT``, others keep committing; ``WRITE_FAILED``; ``ROWS_DIFFER``: a file has not as
            many rows as the table says. No file of the table is touched by any of them.
    """
    table = load()
    if table is None:
        return Upkeep(action="compact", reason="there is no table yet")
    chosen = list(bins(table, spec))
    old = [task.file for each in chosen for task in each]
    size = sum(file.file_size_in_bytes for file in old)
    if dry_run or not chosen:
        return Upkeep(action="compact", names=tuple(file.file_path for file in old), bytes=size)
    mark = secrets.token_hex(12)
    done = _rewritten_all(table, chosen, spec, storage, mark)
    landed = _commit(spec, load, done, mark)  # what it leaves when it fails may have landed: `orphans` tells later
    _remove(storage, [each for each in done if each not in landed])
    gone = [file for each in landed for file in each.old]
    return Upkeep(
        action="compact",
        names=tuple(file.file_path for file in gone),
        bytes=sum(file.file_size_in_bytes for file in gone),
        made=sum(len(each.new) for each in landed),
    )


def bins(table: IcebergTable, spec: TableSpec) -> Iterator[list[FileScanTask]]:
    """Yield the files that become one, each partition for itself.

    The files of a merge are packed in the order of their keys, so that a file goes on to hold neighbours.
    """
    parts: dict[Any, list[FileScanTask]] = defaultdict(list)
    today = table.metadata.default_spec_id
    for task in table.scan().plan_files():
        if task.delete_files:
            continue  # rows that another engine deleted beside the file
        old = task.file.spec_id != today
        if old or task.file.file_size_in_bytes < SMALL * spec.file_size_bytes:
            parts[task.file.spec_id, comparable_partition(task.file.partition)].append(task)
    for (spec_id, _), tasks in parts.items():
        for packed in pack(sorted(tasks, key=lambda task: _place(task, table, spec)), spec.file_size_bytes):
            if len(packed) > 1 or spec_id != today:
                yield packed


def pack(tasks: Iterable[FileScanTask], target: int) -> Iterator[list[FileScanTask]]:
    """Cut files, in their order, into bins of about the target size."""
    packed: list[FileScanTask] = []
    size = 0
    for task in tasks:
        if packed and size + task.file.file_size_in_bytes > target:
            yield packed
            packed, size = [], 0
        packed.append(task)
        size += task.file.file_size_in_bytes
    if packed:
        yield packed


def _place(task: FileScanTask, table: IcebergTable, spec: TableSpec) -> tuple[Any, ...]:
    """Give where a file stands among the others of its partition."""
    if spec.merge is None:
        return (task.file.file_path,)
    column = spec.merge.key[0]
    low, _ = bounds(task.file, [column], table.schema())[column]
    return (low is None, low, task.file.file_path)


def _rewritten_all(
    table: IcebergTable,
    chosen: Sequence[Sequence[FileScanTask]],
    spec: TableSpec,
    storage: Callable[[str], Storage],
    mark: str,
) -> list[Rewritten]:
    done: list[Rewritten] = []
    try:
        done.extend(_rewritten(table, each, spec, storage, mark) for each in chosen)
    except BaseException:
        _remove(storage, done)
        raise
    return done


def _rewritten(
    table: IcebergTable,
    tasks: Sequence[FileScanTask],
    spec: TableSpec,
    storage: Callable[[str], Storage],
    mark: str,
) -> Rewritten:
    metadata = table.metadata
    shape = Shape(schema=metadata.schema(), spec=metadata.spec(), properties=metadata.properties)
    view, names = View(metadata, table.io, storage), arrow(metadata.schema()).names
    location = metadata.location.rstrip("/")
    made = layout(
        storage(location),
        location,
        shape,
        partitions(metadata.schema().find_column_name, metadata.spec().fields),
        file_size_bytes=spec.file_size_bytes,
        compression=spec.compression,
    )
    files = [File(view, t.file.file_path, t.file.record_count, t.file.file_size_in_bytes, t) for t in tasks]
    rows = (batch for file in files for _, batch in file.read(names))
    new = Writer(Units(made, mark, None), shape, None).write(rows, "compacted")
    done = Rewritten([task.file for task in tasks], new, shape)
    before, after = sum(t.file.record_count for t in tasks), sum(file.rows for file in new)
    if before != after:
        _remove(storage, [done])
        raise CommitError(
            f"table {spec.identifier}: files of {before} rows, by the table's own count, were read as {after}; nothing "
            f"was changed. Look at {files[0].path} and the {len(files) - 1} after it",
            "ROWS_DIFFER",
        )
    return done


def partitions(name_of: Callable[[int], str | None], fields: Iterable[Any]) -> list[Partition]:
    """Give the partitioning of a table as writers know it."""
    return [Partition(column=name_of(f.source_id) or "", transform=str(f.transform)) for f in fields]


def _commit(
    spec: TableSpec, load: Callable[[], IcebergTable | None], done: Sequence[Rewritten], mark: str
) -> list[Rewritten]:
    """Put the bins into the table whose files are all still there with all of their rows; gives those."""
    landed: list[Rewritten] = []

    def act(table: IcebergTable) -> Transaction | None:
        if any(s.summary is not None and s.summary.get(MARK) == mark for s in table.metadata.snapshots):
            return None  # an earlier try that had no answer
        there = {
            t.file.file_path for t in table.scan().plan_files() if not t.delete_files
        }  # a new file would revive rows
        fit = [each for each in done if each.shape.spec.compatible_with(table.spec())]
        landed[:] = [each for each in fit if all(file.file_path in there for file in each.old)]
        if not landed:
            return None
        transaction = begin(table)
        spec_id = transaction.table_metadata.default_spec_id
        added = [committed_file(file, each.shape, spec_id) for each in landed for file in each.new]
        removed = [file for each in landed for file in each.old]
        produce(transaction, removed=removed, added=added, summary={MARK: mark}, same_rows=True)
        return transaction

    until_done(spec.identifier, load, act)
    return landed


def _remove(storage: Callable[[str], Storage], bins: Iterable[Rewritten]) -> None:
    """Remove files that nobody commits; what resists is an orphan like any other."""
    for file in (file for each in bins for file in each.new):
        with suppress(DativoError):
            storage(file.path).delete(file.path)
