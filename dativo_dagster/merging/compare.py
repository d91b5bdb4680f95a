"""Pairs of rows compared, a few columns at a time, so that wide rows are never in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dativo_dagster.merging.equal import equal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.merging.rows import Positions

AT_ONCE = 16
_WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}


def compare(
    read: Callable[[Sequence[str]], pa.Table], columns: Sequence[str], one: Positions, other: Positions
) -> NDArray[np.bool_]:
    """Say for each pair whether its rows are equal.

    Args:
        read: Gives some columns of the rows that the pairs name by number.
        columns: The columns to compare.
        one: The one row of each pair.
        other: The other.
    """
    same = np.ones(len(one), bool)
    for first in range(0, len(columns), AT_ONCE):
        open_ = np.flatnonzero(same)
        if not len(open_):
            break
        found = read(columns[first : first + AT_ONCE])
        left, right = pa.array(one[open_]), pa.array(other[open_])
        for column in found.columns:
            whole = column.cast(_WIDE.get(column.type, column.type)).combine_chunks()
            same[open_] &= equal(whole.take(left), whole.take(right))
    return same
