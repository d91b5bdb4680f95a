"""Files as merging sees them: rows in a fixed order, read column by column; and what becomes of each row.

Decisions name rows by position, so that no row is held in memory between the decision and the rewriting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dativo_dagster.merging.prune import Ranges

Positions = NDArray[np.int64]

NONE: Positions = np.zeros(0, np.int64)


class Rows(Protocol):
    """One file; it gives its rows in the same order every time, in the table's columns of today."""

    @property
    def rows(self) -> int:
        """Count its rows."""
        ...

    def read(self, columns: Sequence[str], near: Ranges | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield batches of some columns, each with the position of its first row.

        Rows that cannot have a key within ``near`` may be left out.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of the rows of one file; all that it does not name stay as they are.

    Args:
        gone: Positions of rows that are no more, in order.
        patched: Positions of rows that get other values, in order.
        values: The new values of the patched rows, by column.
    """

    gone: Positions = field(default_factory=lambda: NONE)
    patched: Positions = field(default_factory=lambda: NONE)
    values: Mapping[str, pa.Array] = field(default_factory=dict)

    @property
    def touched(self) -> bool:
        """Say whether anything changes."""
        return bool(len(self.gone) or len(self.patched))


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of the files of a run, which nobody sees yet, and of the table's, in the order they were given."""

    source: Sequence[Fate]
    target: Sequence[Fate]


def load(files: Sequence[Rows], columns: pa.Schema) -> pa.Table:
    """Read some columns of all rows."""
    return pa.Table.from_batches([batch for file in files for _, batch in file.read(columns.names)], columns)


def pick(files: Sequence[Rows], positions: Sequence[Positions], columns: pa.Schema) -> pa.Table:
    """Read some columns of the rows at some positions, in the order of the files."""
    parts = [
        batch.take(pa.array(within(chosen, start, batch.num_rows)))
        for file, chosen in zip(files, positions, strict=True)
        if len(chosen)
        for start, batch in file.read(columns.names)
    ]
    return pa.Table.from_batches(parts, columns)


def within(positions: Positions, start: int, rows: int) -> Positions:
    """Give those of ordered positions that lie in a batch, counted from its first row."""
    low, high = np.searchsorted(positions, (start, start + rows))
    return positions[low:high] - start


def by_file(rows: Positions, counts: Sequence[int]) -> list[Positions]:
    """Cut ordered numbers of rows, counted through all files, into positions file by file."""
    starts = np.concatenate(([0], np.cumsum(counts)))
    cuts = np.searchsorted(rows, starts)
    return [rows[a:b] - start for a, b, start in zip(cuts, cuts[1:], starts, strict=False)]
