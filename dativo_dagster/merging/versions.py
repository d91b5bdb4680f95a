"""The versions that a table has of some keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dativo_dagster.merging.moments import ALWAYS, NEVER, micros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.config.job import Merge
    from dativo_dagster.merging.keys import Keys
    from dativo_dagster.merging.prune import Ranges
    from dativo_dagster.merging.rows import Positions, Rows


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Versions in the order of files and positions; one row in each array.

    ``key`` is the number of the run's key, -1 for keys that it does not have; ``current`` is -1 where it is NULL;
    ``order`` is the column `order_by` where somebody asked for it.
    """

    file: Positions
    position: Positions
    key: Positions
    since: Positions
    until: Positions
    current: NDArray[np.int8]
    order: pa.Array | None

    def __len__(self) -> int:
        return len(self.key)

    def some(self, chosen: NDArray[np.bool_]) -> Versions:
        """Give those of the versions that are chosen."""
        return Versions(
            file=self.file[chosen],
            position=self.position[chosen],
            key=self.key[chosen],
            since=self.since[chosen],
            until=self.until[chosen],
            current=self.current[chosen],
            order=None if self.order is None else self.order.filter(pa.array(chosen)),
        )

    def of_file(self, file: int) -> slice:
        """Give where the versions of a file are."""
        low, high = np.searchsorted(self.file, (file, file + 1))
        return slice(int(low), int(high))


Others = Callable[[pa.RecordBatch, Versions], "NDArray[np.bool_]"]


@dataclass
class Search:
    """What to look for in a table.

    Args:
        keys: The keys of the run.
        merge: What the job says.
        near: What rules files and row groups out.
        order: Whether to read `order_by` too.
        others: Says of a batch which rows with other keys are wanted; None when no such row is.
        column: A column that ``others`` needs.
    """

    keys: Keys
    merge: Merge
    near: Ranges | None
    order: bool
    others: Others | None = None
    column: str | None = None

    def versions(self, files: Sequence[Rows]) -> Versions:
        """Find the versions, file by file."""
        found = [part for at, file in enumerate(files) for part in self._of(at, file)]
        if not found:
            return self._none()
        return Versions(
            **{name: np.concatenate([getattr(part, name) for part in found]) for name in _NUMBERS},
            order=pa.concat_arrays([part.order for part in found]) if self.order else None,
        )

    def _of(self, at: int, file: Rows) -> list[Versions]:
        merge = self.merge
        wanted = [*merge.key, merge.valid_from, merge.valid_to, merge.is_current]
        wanted += [name for name in (merge.order_by if self.order else None, self.column) if name]
        parts = []
        for start, batch in file.read(list(dict.fromkeys(wanted)), self.near):
            keys = self.keys.find([batch.column(name) for name in merge.key])
            versions = Versions(
                file=np.full(batch.num_rows, at),
                position=np.arange(start, start + batch.num_rows),
                key=keys,
                since=micros(batch.column(merge.valid_from), ALWAYS),
                until=micros(batch.column(merge.valid_to), NEVER),
                current=batch.column(merge.is_current).cast(pa.int8()).fill_null(-1).to_numpy(zero_copy_only=False),
                order=batch.column(merge.order_by) if self.order else None,
            )
            chosen = keys >= 0
            if self.others is not None:
                chosen |= self.others(batch, versions) & (keys < 0)
            parts.append(versions.some(chosen))
        return parts

    def _none(self) -> Versions:
        nothing = np.zeros(0, np.int64)
        numbers = dict.fromkeys(_NUMBERS, nothing)
        return Versions(**numbers, order=None)  # type: ignore[arg-type]


_NUMBERS = ("file", "position", "key", "since", "until", "current")
