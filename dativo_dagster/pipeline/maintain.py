"""Looking after tables: small files, old snapshots, left branches, files that nobody names. Safe beside runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dativo_dagster.pipeline.assemble import open_quarantine, open_table
from dativo_ingest.model import DataFile, Upkeep
from dativo_ingest.protocols import Maintained

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from dativo_dagster.config.job import Job, JobStream

KEEP = 5
WEEK, DAY = timedelta(days=7), timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Chores:
    """What is to be done to a table; an age is how old a thing must be, None leaves it alone.

    Args:
        compact: Put small files together.
        branches: Drop audited commits that nobody published.
        expire: Forget snapshots, but for the last ``keep`` of main.
        orphans: Delete files that no commit names.
        keep: How many snapshots stay, however old.
    """

    compact: bool = False
    branches: timedelta | None = None
    expire: timedelta | None = None
    orphans: timedelta | None = None
    keep: int = KEEP


ALL = Chores(compact=True, branches=WEEK, expire=WEEK, orphans=DAY)
"""What is done when nobody says what."""


def maintain(job: Job, stream: JobStream, chores: Chores, *, now: datetime, dry_run: bool) -> Iterator[Upkeep]:
    """Do the chores of one table in the order in which one makes room for the next, and yield what each did.

    Raises:
        DativoError: The table cannot be reached, or others keep committing to it. What was done before stays done.
    """
    table = open_table(job, stream)
    if isinstance(table, Maintained):
        yield from _upkeep(table, chores, now, dry_run=dry_run)
    elif chores.compact or chores.branches or chores.expire:
        yield Upkeep(action="compact", reason=f"{stream.target.connector} tables look after their own files")
    if chores.orphans is not None:
        yield _orphans(job, stream, now - chores.orphans, dry_run=dry_run)


def _upkeep(table: Maintained, chores: Chores, now: datetime, *, dry_run: bool) -> Iterator[Upkeep]:
    if chores.compact:
        yield table.compact(dry_run=dry_run)
    if chores.branches is not None:
        yield table.drop_branches(now - chores.branches, dry_run=dry_run)
    if chores.expire is not None:
        yield table.expire(now - chores.expire, keep=chores.keep, dry_run=dry_run)


def _orphans(job: Job, stream: JobStream, older_than: datetime, *, dry_run: bool) -> Upkeep:
    found = collect_garbage(job, stream, older_than=older_than, delete=not dry_run)
    return Upkeep(action="orphans", names=tuple(f.path for f in found), bytes=sum(f.bytes for f in found))


def collect_garbage(job: Job, stream: JobStream, *, older_than: datetime, delete: bool) -> Sequence[DataFile]:
    """Find files that no commit names, of the table and of its quarantine, and remove them when told to."""
    table = open_table(job, stream)
    found: list[DataFile] = []
    for part in (table, open_quarantine(job, stream, table)):
        orphans = part.orphans(older_than)
        if delete and orphans:
            part.remove(orphans)
        found += orphans
    return found
