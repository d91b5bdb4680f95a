"""A run about to meet a table: from what the job says to a part that can decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from dativo_dagster.merging.history import History
from dativo_dagster.merging.source import Source, chosen
from dativo_dagster.merging.upsert import Upsert
from dativo_ingest.exceptions import ConfigurationError, ValidationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.merging.prune import Ranges
    from dativo_dagster.merging.rows import Decision, Rows
    from dativo_ingest.model import Staged

MERGES = frozenset({"merge", "scd2"})


class Meeting(Protocol):
    """One run's rows, ready to meet a table as often as the table moves."""

    @property
    def near(self) -> Ranges | None:
        """Give what tells files that cannot be touched; None when all may be."""
        ...

    def decide(self, target: Sequence[Rows]) -> Decision:
        """Decide what becomes of the run's rows and of the table's."""
        ...


def begin(spec: TableSpec, staged: Staged, files: Sequence[Rows], schema: pa.Schema) -> Meeting:
    """Read what decides of a run's rows.

    Args:
        spec: What the job says of the table, with mode merge or scd2.
        staged: The run.
        files: Its files.
        schema: The columns of the contract, in the table's types.

    Raises:
        ConfigurationError: ``MERGE_NOT_WHOLE``: what is missing was not read.
        ValidationError: ``MERGE_REJECTED_ROWS``, ``MERGE_NULL_KEY``, ``MERGE_NULL_ORDER``, ``MERGE_DUPLICATE_KEYS``.
    """
    merge = spec.merge
    assert merge is not None  # noqa: S101 - config gives every merging target one
    if merge.delete_missing:
        refuse_guesses(spec, staged)
    added = {merge.valid_from, merge.valid_to, merge.is_current} if spec.mode == "scd2" else set()
    columns = [f.name for f in spec.contract.fields if f.name not in added]
    source = Source(files, merge, chosen(schema, columns), spec.identifier)
    if spec.mode == "merge":
        return Upsert(source, missing=merge.delete_missing, part=spec.slice)
    return History(source, at=datetime.fromisoformat(staged.at), missing=merge.delete_missing, part=spec.slice)


def refuse_guesses(spec: TableSpec, staged: Staged) -> None:
    """Refuse to take rows for deleted that the source may well have.

    Raises:
        ConfigurationError: ``MERGE_NOT_WHOLE``: the run read only what is new.
        ValidationError: ``MERGE_REJECTED_ROWS``: some of what it read was rejected.
    """
    if not staged.whole and spec.slice is None:
        raise ConfigurationError(
            f"table {spec.identifier}: `delete_missing` needs a run that reads all of the source, and this one read "
            "only what is new; use `deleted_column`, or a source that is read whole",
            "MERGE_NOT_WHOLE",
        )
    if staged.counts.rejected:
        raise ValidationError(
            f"table {spec.identifier}: {staged.counts.rejected:,} rows were rejected, and `delete_missing` would take "
            "them for deleted at the source; nothing was committed. Correct the rows or the contract, and run again",
            "MERGE_REJECTED_ROWS",
            {"table": spec.identifier, "rows": staged.counts.rejected},
        )
