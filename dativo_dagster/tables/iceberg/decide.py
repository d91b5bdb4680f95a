"""Who decides what a commit does to the files, by the mode of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dativo_dagster.tables.iceberg.change import Change, whole_files

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.iceberg.rewriting import Rewriting
    from dativo_dagster.tables.iceberg.write import Shape
    from dativo_ingest.model import Staged

Decide = Callable[["IcebergTable | None", "TableMetadata"], Change]
"""Gives the change of a commit for the table as it is now, and the metadata that the commit leaves."""
MERGING = frozenset({"merge", "scd2"})
REPLACING = frozenset({"overwrite", "overwrite_partitions"})


def decider(
    spec: TableSpec, staged: Staged, shape: Shape, storage: Callable[[str], Storage], rewriting: Rewriting
) -> Decide:
    """Give who decides for one commit; it is asked again in each attempt."""
    if staged.mode in MERGING:
        from dativo_dagster.tables.iceberg.merge import Merging

        return Merging(spec, staged, shape, storage, rewriting).change
    if spec.slice is not None and staged.mode in REPLACING:
        from dativo_dagster.tables.iceberg.sliced import Slicing

        return Slicing(spec.slice, staged, shape, storage, rewriting).change
    return lambda table, metadata: whole_files(table, staged, shape, metadata.default_spec_id)
