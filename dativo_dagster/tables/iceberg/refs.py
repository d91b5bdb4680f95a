"""Branches and snapshots as a catalog is told of them; for these pyiceberg has no public way that fits one commit."""

from __future__ import annotations

from collections.abc import Sequence

from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetSnapshotRefUpdate,
)


def at(branch: str, snapshot_id: int) -> SetSnapshotRefUpdate:
    """Put a branch at a snapshot."""
    return SetSnapshotRefUpdate.model_validate({"ref-name": branch, "type": "branch", "snapshot-id": snapshot_id})


def dropped(branch: str) -> RemoveSnapshotRefUpdate:
    """Drop a branch; its snapshot stays."""
    return RemoveSnapshotRefUpdate.model_validate({"ref-name": branch})


def forgotten(snapshot_ids: Sequence[int]) -> RemoveSnapshotsUpdate:
    """Take snapshots out of the table's history."""
    return RemoveSnapshotsUpdate.model_validate({"snapshot-ids": list(snapshot_ids)})


def is_at(ref: str, snapshot_id: int | None) -> AssertRefSnapshotId:
    """Require that a branch or tag is where it was seen, None for nowhere."""
    return AssertRefSnapshotId.model_validate({"ref": ref, "snapshot-id": snapshot_id})
