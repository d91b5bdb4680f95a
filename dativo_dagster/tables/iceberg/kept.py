"""A table as it is looked after: what was rejected, what is old, what is small and what is nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_dagster.tables.iceberg.reached import Reached
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dativo_ingest.model import DataFile, Snapshot, Upkeep


class Kept(Reached):
    """The half of a table that no run needs; safe beside runs."""

    def reject(self, snapshot: Snapshot, reason: str) -> None:
        """Leave the reason why an audited commit is not published beside its branch."""
        from dativo_dagster.tables.iceberg.attempts import until_done
        from dativo_dagster.tables.iceberg.audit import reject

        with self._reaching():
            until_done(self.identifier, self._load, lambda table: reject(table, snapshot.branch, reason))

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:
        """Find files that no snapshot names and that were written before ``older_than``.

        Raises:
            ConfigurationError: ``ORPHANS_UNKNOWN``: the catalog has branches of its own, whose snapshots are not
                seen here.
        """
        from dativo_dagster.tables.iceberg.orphans import orphans

        if self.config.branch:
            raise ConfigurationError(
                f"table {self.identifier} is on branch {self.config.branch!r} of its catalog, and files that no "
                "snapshot of this branch names may be those of another; use the catalog's own garbage collection",
                "ORPHANS_UNKNOWN",
            )
        table = self._load()
        location = self.location()
        with self._reaching():
            return orphans(self._storage(location), location, table, older_than)

    def remove(self, files: Sequence[DataFile]) -> None:
        """Delete files that `orphans` found."""
        for file in files:
            self._storage(file.path).delete(file.path)

    def compact(self, *, dry_run: bool = False) -> Upkeep:
        """Rewrite small files of a partition into few large ones, in one snapshot that changes no row."""
        from dativo_dagster.tables.iceberg.compact import compact

        with self._reaching():
            return compact(self.spec, self._load, self._storage, dry_run=dry_run)

    def expire(self, older_than: datetime, *, keep: int, dry_run: bool = False) -> Upkeep:
        """Forget snapshots that are older and not among the last ``keep`` of main; branches and tags stay."""
        from dativo_dagster.tables.iceberg.expire import expire

        with self._reaching():
            return expire(self.identifier, self._load, older_than, keep, dry_run=dry_run)

    def drop_branches(self, older_than: datetime, *, dry_run: bool = False) -> Upkeep:
        """Drop the branches of audited commits that nobody published."""
        from dativo_dagster.tables.iceberg.expire import drop_branches

        with self._reaching():
            return drop_branches(self.identifier, self._load, older_than, dry_run=dry_run)
