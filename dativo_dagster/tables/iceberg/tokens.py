"""Which commits are in a table: by the tokens in its snapshots, and in its properties once those have expired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dativo_dagster.state.trail import shown
from dativo_ingest.model import Snapshot

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

TOKEN = "dativo.commit-token"  # noqa: S105 - a key, not a secret
STATE = "dativo.state."
EXPIRED = "dativo.expired-tokens"
EXPIRED_KEPT = 2_000
"""Tokens of expired commits that a table goes on to remember: some 50 KB of its metadata."""


def find(metadata: TableMetadata, token: str) -> int | None:
    """Give the snapshot that carries ``token``, 0 when it has expired, None when there is none.

    Only ancestors of the current snapshot count: what a rollback took away is not in the table, and what is on a
    branch is not yet.
    """
    for snapshot in ancestors(metadata, metadata.current_snapshot_id):
        if carried(snapshot) == token:
            return snapshot.snapshot_id
    known = any(carried(s) == token for s in metadata.snapshots)
    return 0 if not known and (token in remembered(metadata) or token in last(metadata)) else None


def ancestors(metadata: TableMetadata, snapshot_id: int | None) -> Iterator[IcebergSnapshot]:
    """Yield a snapshot and those that it stands on, the newest first; pyiceberg searches all for each of them."""
    by_id = {s.snapshot_id: s for s in metadata.snapshots}
    while snapshot_id is not None and (snapshot := by_id.get(snapshot_id)) is not None:
        yield snapshot
        snapshot_id = snapshot.parent_snapshot_id


def carried(snapshot: IcebergSnapshot) -> str | None:
    """Give the token of a snapshot, None when it is not one of our commits."""
    return snapshot.summary.get(TOKEN) if snapshot.summary is not None else None


def remembered(metadata: TableMetadata) -> list[str]:
    """Give the tokens of commits whose snapshots have expired, the oldest first."""
    return metadata.properties.get(EXPIRED, "").split()


def last(metadata: TableMetadata) -> set[str]:
    """Give the tokens that the states name."""
    return {shown(value).token for key, value in metadata.properties.items() if key.startswith(STATE)}


def describe(table: IcebergTable, token: str, snapshot_id: int, *, fresh: bool, branch: str = "") -> Snapshot:
    """Give a commit as the pipeline reports it."""
    snapshot = next((s for s in table.metadata.snapshots if s.snapshot_id == snapshot_id), None)
    summary = snapshot.summary if snapshot is not None else None

    def number(key: str) -> int:
        return int((summary.get(key) if summary is not None else None) or 0)

    return Snapshot(
        id=str(snapshot_id or "expired"),
        table=".".join(table.name()),
        token=token,
        location=table.location(),
        files=number("added-data-files"),
        rows=number("added-records"),
        bytes=number("added-files-size"),
        total_rows=number("total-records") if summary is not None else None,
        total_files=number("total-data-files") if summary is not None else None,
        replaced_rows=number("deleted-records"),
        branch=branch,
        fresh=fresh,
    )
