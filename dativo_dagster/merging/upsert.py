"""Upserts: of the rows with one key, in a run and in the table, the last one stays, and deletions take it away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.merging.prune import Ranges
from dativo_dagster.merging.rows import NONE, Decision, Fate, Positions, Rows, by_file
from dativo_dagster.merging.slices import inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.config.job import Slice
    from dativo_dagster.merging.source import Source


class _Met(NamedTuple):
    """Rows of one file that a run meets, by position: the number of the run's key, -1 for none.

    ``tied`` says which may equal the run's row, and ``goes`` which give way.
    """

    position: Positions
    key: Positions
    goes: NDArray[np.bool_]
    tied: NDArray[np.bool_]

    @classmethod
    def nothing(cls) -> _Met:
        """Give no rows."""
        return cls(NONE, NONE, NONE.astype(bool), NONE.astype(bool))


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
        no harm. A tie goes to the run, unless the rows are equal: then the table's stays where it is.

        Raises:
            ValidationError: ``MERGE_DUPLICATE_KEYS``.
        """
        source = self.source
        beaten = np.zeros(source.keys.count, bool)
        met = [self._meet(file, beaten) for file in target]
        self._keep_equal(target, met, beaten)
        stays = np.zeros(source.rows, bool)
        stays[source.winners[~beaten]] = True
        stays &= ~source.deleted
        lost = by_file(np.flatnonzero(~stays), [file.rows for file in source.files])
        gone = [m.position[m.goes] for m in met]
        return Decision(source=[Fate(gone=g) for g in lost], target=[Fate(gone=g) for g in gone])

    def _meet(self, file: Rows, beaten: NDArray[np.bool_]) -> _Met:
        """Find the rows of a file that have a key of the run or are missing in it; note the keys that are beaten."""
        merge = self.source.merge
        part = self.part.column if self.part and self.missing else None
        columns = [*merge.key, *filter(None, (merge.order_by, part))]
        parts = [_Met.nothing()]
        for start, batch in file.read(list(dict.fromkeys(columns)), self.near):
            keys = self.source.keys.find([batch.column(name) for name in merge.key])
            missed = (keys < 0) & self._in_part(batch) if self.missing else np.zeros(len(keys), bool)
            rows = np.flatnonzero((keys >= 0) | missed)
            goes, tied = np.ones(len(rows), bool), keys[rows] >= 0
            if merge.order_by is None:
                tied &= self.missing  # a full read is mostly what is there; of news it is hardly worth looking
            else:
                known = keys[rows] >= 0
                goes[known], tied[known] = self._against(batch.column(merge.order_by), keys, rows[known])
                beaten[keys[rows[~goes]]] = True
            parts.append(_Met(start + rows, keys[rows], goes, tied))
        return _Met(*(np.concatenate([part[at] for part in parts]) for at in range(len(_Met._fields))))

    def _against(
        self, order: pa.Array, keys: Positions, rows: Positions
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say which rows of the table are not higher than the run's row with their key, and which are as high."""
        ours, theirs = order.take(pa.array(rows)), self.source.order.take(pa.array(self.source.winners[keys[rows]]))  # type: ignore[union-attr]
        goes = ~above(ours, theirs)
        return goes, goes & ~above(theirs, ours)

    def _keep_equal(self, target: Sequence[Rows], met: Sequence[_Met], beaten: NDArray[np.bool_]) -> None:
        """Leave rows that the run only repeats where they are, so that their files are not written again."""
        source = self.source
        keys = np.concatenate([NONE, *(m.key[m.key >= 0] for m in met)])
        once = np.bincount(keys, minlength=source.keys.count) == 1
        once = np.append(once & ~source.deleted[source.winners], False)  # the last one is that of no key
        tied = [m.tied & once[m.key] for m in met]
        found = np.concatenate([NONE, *(m.key[t] for m, t in zip(met, tied, strict=True))])
        if not len(found):
            return
        file = np.repeat(np.arange(len(met)), [int(t.sum()) for t in tied])
        position = np.concatenate([m.position[t] for m, t in zip(met, tied, strict=True)])
        same = source.equal(target, (file, position), np.arange(len(found)), source.winners[found] + len(found))
        beaten[found[same]] = True
        for at, (one, chosen) in enumerate(zip(met, tied, strict=True)):
            one.goes[np.flatnonzero(chosen)[same[file == at]]] = False

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
