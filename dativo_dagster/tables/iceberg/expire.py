"""Old snapshots and left branches leave a table; what its commits were is remembered beyond them.

Only metadata changes here. The files of what has left are then nobody's, and `orphans` finds them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.update import SetPropertiesUpdate

from dativo_dagster.tables.iceberg.attempts import NO_RETRY, until_done
from dativo_dagster.tables.iceberg.audit import BRANCH, REASON, without_reason
from dativo_dagster.tables.iceberg.refs import dropped, forgotten, is_at
from dativo_dagster.tables.iceberg.tokens import EXPIRED, EXPIRED_KEPT, ancestors, carried, last, remembered
from dativo_ingest.model import Upkeep

if TYPE_CHECKING:
    from datetime import datetime

    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableUpdate

Load = Callable[[], "IcebergTable | None"]


def expire(name: str, load: Load, older_than: datetime, keep: int, *, dry_run: bool) -> Upkeep:
    """Forget snapshots; the last ``keep`` of main and the heads of branches and tags stay, however old."""
    gone: list[int] = []

    def act(table: IcebergTable) -> Transaction | None:
        found = expired(table.metadata, older_than, keep)
        gone.extend(s for s in found if s not in gone)
        return None if dry_run else without_snapshots(table, found)

    until_done(name, load, act)
    return Upkeep(action="expire", names=tuple(str(s) for s in gone))


def drop_branches(name: str, load: Load, older_than: datetime, *, dry_run: bool) -> Upkeep:
    """Drop branches of audited commits that nobody published."""
    table = load()
    if table is None:
        return Upkeep(action="branches")
    found = left_branches(table.metadata, older_than)
    for branch in () if dry_run else found:
        until_done(name, load, lambda table, branch=branch: without_branch(table, branch))  # type: ignore[misc]
    reasons = [table.metadata.properties.get(REASON + branch, "its run ended before its audit did") for branch in found]
    told = "; ".join(f"{branch}: {why}" for branch, why in zip(found, reasons, strict=True))
    return Upkeep(action="branches", names=tuple(found), reason=told)


def expired(metadata: TableMetadata, older_than: datetime, keep: int) -> list[int]:
    """List the snapshots that may go: older, not among the last ``keep`` of main, and no branch or tag is at them.

    One that a state names and that is not in the table stays: without it nobody sees that the table was rolled back.
    """
    main = [s.snapshot_id for s in ancestors(metadata, metadata.current_snapshot_id)]
    states = last(metadata)
    taken = {s.snapshot_id for s in metadata.snapshots if carried(s) in states}.difference(main)
    kept = {*main[:keep], *taken, *(r.snapshot_id for r in metadata.refs.values())}
    before = older_than.timestamp() * 1000
    return [s.snapshot_id for s in metadata.snapshots if s.timestamp_ms < before and s.snapshot_id not in kept]


def left_branches(metadata: TableMetadata, older_than: datetime) -> list[str]:
    """List the branches of audited commits that nobody published, by the age of their snapshot."""
    before = older_than.timestamp() * 1000
    made = {s.snapshot_id: s.timestamp_ms for s in metadata.snapshots}
    return [
        name
        for name, ref in metadata.refs.items()
        if name.startswith(BRANCH)
        and ref.snapshot_ref_type == SnapshotRefType.BRANCH
        and made[ref.snapshot_id] < before
    ]


def without_snapshots(table: IcebergTable, gone: list[int]) -> Transaction | None:
    """Give the transaction that expires snapshots, and keeps the tokens of those that are in the table."""
    if not gone:
        return None
    metadata = table.metadata
    inside = [s for s in ancestors(metadata, metadata.current_snapshot_id) if s.snapshot_id in set(gone)]
    tokens = [token for s in reversed(inside) if (token := carried(s))]
    kept = " ".join([*remembered(metadata), *tokens][-EXPIRED_KEPT:])
    updates: tuple[TableUpdate, ...] = (forgotten(gone),)
    if tokens:
        updates += (SetPropertiesUpdate(updates={EXPIRED: kept}),)
    return _changed(table, updates, MAIN_BRANCH, metadata.current_snapshot_id)


def without_branch(table: IcebergTable, name: str) -> Transaction | None:
    """Give the transaction that drops a branch; its snapshot stays until it expires."""
    ref = table.metadata.refs.get(name)
    if ref is None:
        return None
    transaction = _changed(table, (dropped(name),), name, ref.snapshot_id)
    without_reason(transaction, name)
    return transaction


def _changed(table: IcebergTable, updates: tuple[TableUpdate, ...], ref: str, where: int | None) -> Transaction:
    table.metadata = table.metadata.model_copy(update={"properties": table.metadata.properties | NO_RETRY})
    transaction = table.transaction()
    transaction._apply(updates, (is_at(ref, where),))  # noqa: SLF001 - no public way
    return transaction
