"""Audited commits: to a branch first, to main once somebody has looked. Write, audit, publish.

The branch starts where main is and has one snapshot more. Publishing moves main to it, together with cursor and token.
Readers of main see nothing of it before; only a new table, and new columns, are there from the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.table.refs import MAIN_BRANCH

from dativo_dagster.tables.iceberg.attempts import begin
from dativo_dagster.tables.iceberg.refs import at, dropped, is_at

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata

BRANCH = "dativo-"
REASON = "dativo.audit."
"""Starts the property that says why a branch was not published."""
LONGEST_REASON = 2_000


def branch_of(token: str) -> str:
    """Name the branch of an audited commit."""
    return f"{BRANCH}{token}"


def put(transaction: Transaction, branch: str, snapshot_id: int) -> bool:
    """Put a new snapshot on the branch; says whether it takes the place of another, which nobody published."""
    metadata = transaction.table_metadata
    before = metadata.refs.get(branch)
    # Only one requirement about a snapshot is kept; of a table without any, pyiceberg lets it only speak of main.
    requirement = (
        is_at(branch, before.snapshot_id if before is not None else None)
        if len(metadata.snapshots) > 1
        else is_at(MAIN_BRANCH, None)
    )
    transaction._apply((at(branch, snapshot_id),), (requirement,))  # noqa: SLF001 - no public way
    without_reason(transaction, branch)
    return before is not None


def reject(table: IcebergTable, branch: str, reason: str) -> Transaction | None:
    """Give the transaction that leaves the reason beside the branch; None when it is there, or the branch is not."""
    said = reason[:LONGEST_REASON]
    if branch not in table.metadata.refs or table.metadata.properties.get(REASON + branch) == said:
        return None
    return begin(table).set_properties({REASON + branch: said})


def without_reason(transaction: Transaction, branch: str) -> None:
    """Take the reason away, with what it speaks of."""
    if REASON + branch in transaction.table_metadata.properties:
        transaction.remove_properties(REASON + branch)


def publish(transaction: Transaction, branch: str, snapshot_id: int) -> None:
    """Move main to the branch's snapshot and drop the branch."""
    main = transaction.table_metadata.current_snapshot_id
    updates = (at(MAIN_BRANCH, snapshot_id), dropped(branch))
    transaction._apply(updates, (is_at(MAIN_BRANCH, main),))  # noqa: SLF001 - no public way
    without_reason(transaction, branch)


def can_be_published(metadata: TableMetadata, snapshot_id: int) -> bool:
    """Say whether main is still where the branch started."""
    made = next((s for s in metadata.snapshots if s.snapshot_id == snapshot_id), None)
    return made is not None and made.parent_snapshot_id == metadata.current_snapshot_id
