"""Upserts: of the rows with one key, in a run and in the table, the last one stays, and deletions take it away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.merging.prune import Ranges
from dativo_dagster.merging.rows import Decision, Fate, Positions, Rows, by_file
from dativo_dagster.merging.slices import inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.config.job import Slice
    from dativo_dagster.merging.source import Source


@dataclass
class Upsert:
    """One run about to be merged; `decide` may be called again when the table has moved.

    Args:
        source: The rows of the run.
        missing: Whether what the run does not have is deleted.
        part: The slice that the run is about; only its rows can be missing.
    """

    source: Source
    missing: bool = False
    part: Slice | None = None

    @cached_property
    def near(self) -> Ranges | None:
        """Give what tells files that need not be opened; None when all must be."""
        return None if self.missing else Ranges(self.source.merge.key, self.source.keys)

    def decide(self, target: Sequence[Rows]) -> Decision:
        """Decide which rows of the run and of the table stay.

        A row of the table that is higher in `order_by` stays, and the run's goes: an older window that comes late does
        no harm. A tie goes to the run.

        Raises:
            ValidationError: ``MERGE_DUPLICATE_KEYS``.
        """
        source = self.source
        beaten = np.zeros(source.keys.count, bool)
        gone = [self._gone(file, beaten) for file in target]
        stays = np.zeros(source.rows, bool)
        stays[source.winners[~beaten]] = True
        stays &= ~source.deleted
        lost = by_file(np.flatnonzero(~stays), [file.rows for file in source.files])
        return Decision(source=[Fate(gone=g) for g in lost], target=[Fate(gone=g) for g in gone])

    def _gone(self, file: Rows, beaten: NDArray[np.bool_]) -> Positions:
        """Find the rows of a file that give way, and note the keys of the run that do."""
        merge = self.source.merge
        part = self.part.column if self.part and self.missing else None
        columns = [*merge.key, *filter(None, (merge.order_by, part))]
        parts = [np.zeros(0, np.int64)]
        for start, batch in file.read(list(dict.fromkeys(columns)), self.near):
            keys = self.source.keys.find([batch.column(name) for name in merge.key])
            goes = keys >= 0
            if merge.order_by is not None:
                goes[goes] = self._yields(batch.column(merge.order_by), keys, np.flatnonzero(goes), beaten)
            if self.missing:
                goes |= (keys < 0) & self._in_part(batch)
            parts.append(start + np.flatnonzero(goes))
        return np.concatenate(parts)

    def _yields(
        self, order: pa.Array, keys: Positions, rows: Positions, beaten: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Say which rows of the table are not higher than the run's row with their key."""
        theirs = self.source.order.take(pa.array(self.source.winners[keys[rows]]))  # type: ignore[union-attr]
        higher = above(order.take(pa.array(rows)), theirs)
        beaten[keys[rows[higher]]] = True
        return ~higher

    def _in_part(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        if self.part is None:
            return np.ones(batch.num_rows, bool)
        found: NDArray[np.bool_] = inside(batch.column(self.part.column), self.part).to_numpy(zero_copy_only=False)
        return found


def above(one: pa.Array, other: pa.Array) -> NDArray[np.bool_]:
    """Say where ``one`` is higher; NULL and NaN are below all else and above nothing."""
    if pa.types.is_floating(one.type):
        one, other = (pc.if_else(pc.is_nan(values), None, values) for values in (one, other))
    higher = pc.fill_null(pc.greater(one, other), pc.and_(pc.is_valid(one), pc.is_null(other)))
    return higher.to_numpy(zero_copy_only=False).astype(bool)  # type: ignore[no-any-return]
