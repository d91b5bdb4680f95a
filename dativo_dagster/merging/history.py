"""History (SCD2): every version of a row, with the time since when and until when it held.

For each key that a run has, its history is built anew from events in the order of time: the versions that the table
has, the ends of those that ended without a successor, and the rows and deletions of the run. So it does not matter
in what order windows come, or how often: a late row finds its place between its neighbours.

Of several events at one moment the run's counts. A row that equals its predecessor in every column of the contract is
no version. A deletion of which no version is known leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dativo_dagster.merging.moments import ALWAYS, NEVER, is_moment, micros, moments
from dativo_dagster.merging.prune import Ranges
from dativo_dagster.merging.rows import Decision, Fate, Positions, Rows, by_file
from dativo_dagster.merging.slices import inside
from dativo_dagster.merging.source import rank
from dativo_dagster.merging.timeline import END, Events, until, versions
from dativo_dagster.merging.versions import Search, Versions
from dativo_ingest.exceptions import ConfigurationError, ValidationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.config.job import Slice
    from dativo_dagster.merging.source import Source


@dataclass
class History:
    """One run about to become history; `decide` may be called again when the table has moved.

    Args:
        source: The rows of the run.
        at: The time of the run, for what has no time of its own.
        missing: Whether what the run does not have is deleted.
        part: The slice that the run is about; only its rows can be missing.
    """

    source: Source
    at: datetime
    missing: bool = False
    part: Slice | None = None

    @cached_property
    def near(self) -> Ranges | None:
        """Give what tells files that need not be opened; None when all must be."""
        return None if self.missing else Ranges(self.source.merge.key, self.source.keys)

    @cached_property
    def now(self) -> int:
        """Give the time of the run in microseconds."""
        return int(micros(pa.array([self.at], pa.timestamp("us", "UTC")), 0)[0])

    @cached_property
    def timed(self) -> bool:
        """Say whether rows say themselves since when they hold."""
        return self.source.order is not None and is_moment(self.source.order.type)

    @cached_property
    def news(self) -> Events:
        """Give the rows of the run as events; the rows are numbered as in its files.

        Raises:
            ValidationError: ``MERGE_NULL_ORDER`` or ``MERGE_DUPLICATE_KEYS``.
        """
        source = self.source
        if not self.timed:
            rows = source.winners
            return Events(key=source.keys.numbers[rows], at=np.full(len(rows), self.now), row=rows)
        self._refuse_timeless()
        rows = source.in_order(all_ties=True)
        return Events(key=source.keys.numbers[rows], at=micros(source.order, 0)[rows], row=rows)

    def decide(self, target: Sequence[Rows]) -> Decision:
        """Decide which rows of the run and of the table are versions, and since and until when they hold.

        Raises:
            ConfigurationError: ``MERGE_BAD_HISTORY``.
            ValidationError: ``MERGE_NULL_ORDER`` or ``MERGE_DUPLICATE_KEYS``.
        """
        news = self.news
        merge = self.source.merge
        found = Search(
            keys=self.source.keys,
            merge=merge,
            near=self.near,
            order=self.source.order is not None and not self.timed,
            others=self._missed if self.missing else None,
            column=self.part.column if self.part and self.missing else None,
        ).versions(target)
        missed, old = found.some(found.key < 0), found.some(found.key >= 0)
        self._refuse_overlaps(old)
        new = self._placed(news, old)
        events = _ends(old) + Events(key=old.key, at=old.since, row=np.arange(len(old))) + new
        left = versions(events, len(old), partial(self._same, target, old))
        return self._fates(target, old, missed, left)

    def _missed(self, batch: pa.RecordBatch, found: Versions) -> NDArray[np.bool_]:
        """Say which current versions are gone at the source; one that is younger than the run it cannot know."""
        gone: NDArray[np.bool_] = (found.until == NEVER) & (found.since < self.now)
        if self.part is not None:
            gone &= inside(batch.column(self.part.column), self.part).to_numpy(zero_copy_only=False)
        return gone

    def _placed(self, news: Events, old: Versions) -> Events:
        """Give the run's events the moments that they have beside the versions of the table."""
        source, at = self.source, news.at.copy()
        deleted = source.deleted[news.row]
        newest, ended = np.full(source.keys.count, ALWAYS), np.full(source.keys.count, ALWAYS)
        np.maximum.at(newest, old.key, old.since)
        np.maximum.at(ended, old.key, old.until)
        keep = np.ones(len(at), bool)
        if not self.timed and source.order is not None:
            keep = ~self._beaten(news, old)
            at = np.maximum(at, np.where(newest == ALWAYS, ALWAYS, newest + 1)[news.key])
        if self.missing:
            # It is there again, and says a time from before it was taken for deleted.
            last = np.append(np.diff(news.key) != 0, True)[: len(at)]
            gone = ended[news.key]
            at[last & ~deleted & (gone != NEVER) & (at <= gone) & (gone < self.now)] = self.now
        at[deleted & _among(news.key, at, old)] += 1  # a version that ends at the moment it begins would be lost
        row = np.where(deleted, END, news.row + len(old))
        return Events(key=news.key, at=at, row=row).some(keep)

    def _beaten(self, news: Events, old: Versions) -> NDArray[np.bool_]:
        """Say which rows of the run are lower in `order_by` than a version of the table."""
        if old.order is None:
            return np.zeros(len(news.key), bool)
        assert self.source.order is not None  # noqa: S101 - the caller asked
        ranks = rank(pa.concat_arrays([self.source.order, old.order]))
        highest = np.full(self.source.keys.count, -2)
        np.maximum.at(highest, old.key, ranks[self.source.rows :])
        beaten: NDArray[np.bool_] = ranks[news.row] < highest[news.key]
        return beaten

    def _same(self, target: Sequence[Rows], old: Versions, one: Positions, other: Positions) -> NDArray[np.bool_]:
        """Compare rows, those of the table numbered before those of the run."""
        return self.source.equal(target, (old.file, old.position), one, other)

    def _fates(self, target: Sequence[Rows], old: Versions, missed: Versions, left: Events) -> Decision:
        """Turn the versions that are left into what becomes of each file."""
        ends = until(left)
        rows, since, till = (values[left.row != END] for values in (left.row, left.at, ends))
        theirs = rows < len(old)
        stays, closed = np.zeros(len(old), bool), old.until.copy()
        stays[rows[theirs]] = True
        closed[rows[theirs]] = till[theirs]
        patched = stays & ((closed != old.until) | (old.current != (closed == NEVER)))
        fates = []
        for at in range(len(target)):
            own, other = old.of_file(at), missed.of_file(at)
            positions = np.concatenate((old.position[own][patched[own]], missed.position[other]))
            ended = np.concatenate((closed[own][patched[own]], np.full(len(missed.position[other]), self.now)))
            order = np.argsort(positions)
            values = self._closing(ended[order])
            fates.append(Fate(gone=old.position[own][~stays[own]], patched=positions[order], values=values))
        new = self._new_fates(rows[~theirs] - len(old), since[~theirs], till[~theirs])
        return Decision(source=new, target=fates)

    def _new_fates(self, rows: Positions, since: Positions, till: Positions) -> list[Fate]:
        """Give the fates of the run's files; see `moments.begun` for what its rows say as they were written."""
        source, merge = self.source, self.source.merge
        counts = [file.rows for file in source.files]
        stays = np.zeros(source.rows, bool)
        stays[rows] = True
        written = micros(source.order, ALWAYS)[rows] if self.timed else np.full(len(rows), ALWAYS)
        differs = (since != written) | (till != NEVER)
        order = np.argsort(rows[differs])
        placed, since, till = rows[differs][order], since[differs][order], till[differs][order]
        gone, patched = by_file(np.flatnonzero(~stays), counts), by_file(placed, counts)
        cuts = np.cumsum([0, *map(len, patched)])
        return [
            Fate(
                gone=gone[at],
                patched=patched[at],
                values={merge.valid_from: moments(since[a:b]), **self._closing(till[a:b])},
            )
            for at, (a, b) in enumerate(pairwise(cuts))
        ]

    def _closing(self, till: Positions) -> dict[str, pa.Array]:
        return {self.source.merge.valid_to: moments(till), self.source.merge.is_current: pa.array(till == NEVER)}

    def _refuse_timeless(self) -> None:
        source, name = self.source, self.source.merge.order_by
        nulls = source.order.null_count if source.order is not None else 0
        if nulls:
            raise ValidationError(
                f"table {source.table}: {nulls:,} rows have no {name!r}, which says since when a version holds; "
                "nothing was committed. Make the column `required` in the contract, so that such rows are rejected, or "
                "leave `order_by` out",
                "MERGE_NULL_ORDER",
                {"table": source.table, "rows": nulls},
            )

    def _refuse_overlaps(self, old: Versions) -> None:
        order = np.lexsort((old.since, old.key))
        twice = (np.diff(old.key[order]) == 0) & (np.diff(old.since[order]) == 0)
        if twice.any():
            keys = len(np.unique(old.key[order][1:][twice]))
            raise ConfigurationError(
                f"table {self.source.table}: {keys:,} keys have several rows since the same "
                f"{self.source.merge.valid_from!r}, so that it is no history; another key, or a new table, is needed",
                "MERGE_BAD_HISTORY",
                {"table": self.source.table, "keys": keys},
            )


def _ends(old: Versions) -> Events:
    """Give the ends of versions that have no successor at that moment."""
    order = np.lexsort((old.since, old.key))
    key, since, ended = old.key[order], old.since[order], old.until[order]
    follows = np.full(len(key), NEVER)
    same = key[1:] == key[:-1]
    follows[:-1][same] = since[1:][same]
    open_ = (ended != NEVER) & (ended < follows)
    return Events(key=key[open_], at=ended[open_], row=np.full(int(open_.sum()), END))


def _among(key: Positions, at: Positions, old: Versions) -> NDArray[np.bool_]:
    """Say which moments of keys are those at which a version of the table begins."""
    times, numbers = np.unique(np.concatenate((at, old.since)), return_inverse=True)
    pairs = np.concatenate((key, old.key)) * len(times) + numbers
    return np.isin(pairs[: len(at)], pairs[len(at) :])
