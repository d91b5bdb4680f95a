"""One snapshot: what is added and what is taken out, by path, and few manifests however many commits there were.

pyiceberg's own producers either leave one manifest a commit for ever, or read every manifest three times to take a
file out, and cannot take out a partition of NaN.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pyiceberg.manifest import ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _MergeAppendFiles

from dativo_ingest.exceptions import CommitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import Transaction

MERGED = {"commit.manifest-merge.enabled": "true"}
"""What keeps the number of manifests small: a hundred of them become one, up to 8 MB."""
MERGED_BY_READERS = 10
"""So many become one where a commit has read them all to decide: each that is left costs the next two milliseconds."""


def produce(
    transaction: Transaction,
    *,
    removed: Iterable[IcebergFile],
    added: Iterable[IcebergFile],
    summary: Mapping[str, str],
    branch: str | None = "main",
    same_rows: bool = False,
    read: bool = True,
) -> int:
    """Put a snapshot into a transaction and give its id. One without any file still carries its summary.

    Args:
        transaction: Where it goes.
        removed: Files that the branch has and will not have any more.
        added: Files that it will have.
        summary: What the snapshot says of itself beside the counts.
        branch: Where it is the newest from then on; None for nowhere yet: it stands on main.
        same_rows: The rows stay what they are, only the files change.
        read: What comes and goes was decided by reading the manifests.
    """
    gone = list(removed)
    kind = Operation.REPLACE if same_rows else Operation.OVERWRITE if gone else Operation.APPEND
    made = Producer(kind, transaction, transaction._table.io, branch, snapshot_properties=dict(summary))  # noqa: SLF001
    if read:
        made._min_count_to_merge = min(made._min_count_to_merge, MERGED_BY_READERS)  # noqa: SLF001 - ours
    for file in gone:
        made.delete_data_file(file)
    for file in added:
        made.append_data_file(file)
    made.commit()
    return made.snapshot_id


class Producer(_MergeAppendFiles):
    """Makes the manifests of one snapshot; each old manifest is read once at most."""

    def _build_delete_files_partition_predicate(self) -> None:
        """Need no predicate: files are known by their paths."""

    def _existing_manifests(self) -> list[ManifestFile]:
        return self._parted[0]

    def _deleted_entries(self) -> list[ManifestEntry]:
        return self._parted[1]

    @cached_property
    def _parted(self) -> tuple[list[ManifestFile], list[ManifestEntry]]:
        """Give the manifests that stay, rewritten where they must be, and the entries of the files that go."""
        left = {file.file_path for file in self._deleted_data_files}
        specs = {file.spec_id for file in self._deleted_data_files}
        kept: list[ManifestFile] = []
        gone: list[ManifestEntry] = []
        for manifest in super()._existing_manifests():
            if left and manifest.content == ManifestContent.DATA and manifest.partition_spec_id in specs:
                stay, found = self._cut(manifest, left)
                left -= {entry.data_file.file_path for entry in found}
                gone += found
                kept += stay if found else [manifest]
            else:
                kept.append(manifest)
        if left:
            raise CommitError(
                f"{len(left)} files that were to be replaced are no longer in the table; run it again",
                "COMMIT_CONFLICT",
                retryable=True,
            )
        return kept, gone

    def _cut(self, manifest: ManifestFile, gone: set[str]) -> tuple[list[ManifestFile], list[ManifestEntry]]:
        entries = manifest.fetch_manifest_entry(self._io, discard_deleted=True)
        found = [e for e in entries if e.data_file.file_path in gone]
        stay = [e for e in entries if e.data_file.file_path not in gone]
        removed = [self._as(e, ManifestEntryStatus.DELETED, self.snapshot_id) for e in found]
        if not found or not stay:
            return [], removed
        with self.new_manifest_writer(self.spec(manifest.partition_spec_id)) as writer:
            for entry in stay:
                writer.add_entry(self._as(entry, ManifestEntryStatus.EXISTING, entry.snapshot_id))
        return [writer.to_manifest_file()], removed

    @staticmethod
    def _as(entry: ManifestEntry, status: ManifestEntryStatus, snapshot_id: int | None) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=status,
            snapshot_id=snapshot_id,
            sequence_number=entry.sequence_number,
            file_sequence_number=entry.file_sequence_number,
            data_file=entry.data_file,
        )

    def _summary(self, snapshot_properties: dict[str, str] | None = None) -> Summary:
        """Sum up as pyiceberg does, which can only count a replacement under the name of an overwrite."""
        kind = self._operation
        self._operation = Operation.OVERWRITE if kind == Operation.REPLACE else kind
        counted = super()._summary(snapshot_properties or {})
        self._operation = kind
        return Summary(operation=kind, **counted.additional_properties)
