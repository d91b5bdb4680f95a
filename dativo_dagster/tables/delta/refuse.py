"""What a Delta table cannot be asked for, said before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltalake import DeltaTable

    from dativo_dagster.config.job import TableSpec
    from dativo_ingest.model import Column

MODES = ("append", "overwrite", "overwrite_partitions")


def can_be_written(spec: TableSpec) -> None:
    """Refuse modes.

    Raises:
        ConfigurationError: ``AUDIT_UNSUPPORTED``, ``MODE_UNSUPPORTED``.
    """
    if spec.audited:
        raise ConfigurationError(
            "target.publish: a Delta table has no branches; leave it out, or write to Iceberg", "AUDIT_UNSUPPORTED"
        )
    if spec.mode not in MODES:
        raise ConfigurationError(
            f"target.mode {spec.mode!r}: a Delta table takes {', '.join(MODES)}; Iceberg and databases take all",
            "MODE_UNSUPPORTED",
        )
    if spec.slice is not None and spec.mode != "append":
        raise ConfigurationError(
            f"target.mode {spec.mode!r} of a partitioned stream: a Delta table is not rewritten in part; partition the "
            "table itself and use overwrite_partitions without `partitions`, or write to Iceberg or a database",
            "MODE_UNSUPPORTED",
        )


def can_be_partitioned(spec: TableSpec, columns: Sequence[Column], table: DeltaTable | None) -> None:
    """Refuse partitions that the table does not have, or Delta cannot.

    Raises:
        ConfigurationError: ``PARTITIONING_DIFFERS``, ``BAD_PARTITION``.
    """
    wanted = [p.column for p in spec.partitioning]
    have = wanted if table is None else list(table.metadata().partition_columns)
    if have != wanted:
        raise ConfigurationError(
            f"table {spec.identifier} is partitioned by {', '.join(have) or 'nothing'} and the job says "
            f"{', '.join(wanted) or 'nothing'}; say what the table has, or use a new folder",
            "PARTITIONING_DIFFERS",
        )
    kinds = {c.name: c.type for c in columns}
    for p in spec.partitioning:
        kind = kinds.get(p.column, "")
        if p.transform != "identity" or not kind.startswith(("int", "uint", "string", "date", "boolean")):
            raise ConfigurationError(
                f"partitioning by {p.transform} of {p.column!r} ({kind or 'no such column'}): Delta partitions by "
                "whole numbers, text, dates and booleans as they are",
                "BAD_PARTITION",
                {"column": p.column},
            )
