"""What one commit does to a table's files, decided against the table as it is at that moment.

`commit` asks for it anew in every attempt. A mode has a function here or a module of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyiceberg.manifest import ManifestContent

from dativo_dagster.tables.iceberg.write import committed_file
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.typedef import Record

    from dativo_dagster.tables.iceberg.write import Shape
    from dativo_ingest.model import Staged


@dataclass(frozen=True, kw_only=True)
class Change:
    """Files that the table loses and gets in one snapshot."""

    removed: Sequence[IcebergFile] = ()
    added: Sequence[IcebergFile] = ()


def whole_files(table: IcebergTable | None, staged: Staged, shape: Shape, spec_id: int) -> Change:
    """Give the change of append, overwrite and overwrite_partitions: files come and go as they are.

    Raises:
        ConfigurationError: ``PARTITIONING_DIFFERS``.
    """
    added = [committed_file(file, shape, spec_id) for file in staged.files]
    if table is None or staged.mode == "append":
        return Change(added=added)
    old = list(live_files(table))
    return Change(removed=old if staged.mode == "overwrite" else _in_partitions(table, old, added), added=added)


def _in_partitions(table: IcebergTable, old: Sequence[IcebergFile], new: Sequence[IcebergFile]) -> list[IcebergFile]:
    """List the files that lie in partitions of the new ones."""
    name = ".".join(table.name())
    if any(file.spec_id != table.metadata.default_spec_id for file in old):
        raise ConfigurationError(
            f"table {name}: some of its files are partitioned in an older way, so that overwrite_partitions cannot "
            "tell which of them to replace; rewrite them first, or use overwrite",
            "PARTITIONING_DIFFERS",
        )
    filled = {comparable_partition(file.partition) for file in new}
    return [file for file in old if comparable_partition(file.partition) in filled]


def comparable_partition(partition: Record) -> tuple[object, ...]:
    """Give the values of a partition so that NaN is the same partition as NaN."""
    values = (partition[at] for at in range(len(partition)))
    return tuple("NaN" if isinstance(v, float) and math.isnan(v) else v for v in values)


def live_files(table: IcebergTable) -> Iterator[IcebergFile]:
    """Give the data files of the current snapshot."""
    snapshot = table.current_snapshot()
    for manifest in snapshot.manifests(table.io) if snapshot is not None else ():
        if manifest.content == ManifestContent.DATA:
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                yield entry.data_file
