"""Events of many keys in the order of time, and the versions that they leave. Pure arithmetic on arrays.

An event is the number of a row, which holds from a moment on, or `END`: from then on there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dativo_dagster.merging.moments import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.merging.rows import Positions

END = -1


@dataclass(frozen=True, kw_only=True)
class Events:
    """Events, one in each place of the arrays; of several of one key at one moment the last one counts."""

    key: Positions
    at: Positions
    row: Positions

    def __add__(self, other: Events) -> Events:
        """Put other events behind these."""
        return Events(**{name: np.concatenate((getattr(self, name), getattr(other, name))) for name in _FIELDS})

    def some(self, chosen: NDArray[np.bool_] | Positions) -> Events:
        """Give those of the events that are chosen, in the order they are chosen in."""
        return Events(**{name: getattr(self, name)[chosen] for name in _FIELDS})


_FIELDS = ("key", "at", "row")


def versions(events: Events, old: int, same: Callable[[Positions, Positions], NDArray[np.bool_]]) -> Events:
    """Give the events that count, by key and time.

    Args:
        events: All events: those of the table before those of the run.
        old: Rows below this number are the table's.
        same: Says of pairs of rows whether they are equal.
    """
    ordered = events.some(np.lexsort((events.at, events.key)))  # stable: at one moment they stay in their order
    fresh = _starts(ordered.key) | _starts(ordered.at)
    group = np.cumsum(fresh) - 1
    last = np.append(fresh[1:], True) if len(fresh) else fresh
    counts = ordered.some(last)
    twin = np.full(len(counts.key), END)
    from_table = (ordered.row != END) & (ordered.row < old)
    twin[group[from_table]] = ordered.row[from_table]
    return _collapsed(counts, twin, same, old)


def until(events: Events) -> Positions:
    """Say for each event until when it holds: the next one of its key."""
    ends = np.full(len(events.key), NEVER)
    followed = events.key[1:] == events.key[:-1]
    ends[:-1][followed] = events.at[1:][followed]
    return ends


def _collapsed(
    events: Events, twin: Positions, same: Callable[[Positions, Positions], NDArray[np.bool_]], old: int
) -> Events:
    """Leave out events that change nothing, and keep the table's row where the run's equals it."""
    row = events.row.copy()
    first = _starts(events.key)
    followers = np.flatnonzero(~first & (row != END) & (np.roll(row, 1) != END))
    twins = np.flatnonzero((row >= old) & (twin != END))
    equal = same(
        np.concatenate((row[followers - 1], twin[twins])),
        np.concatenate((row[followers], row[twins])),
    )
    repeats = first & (row == END)
    repeats |= ~first & (row == END) & (np.roll(row, 1) == END)
    repeats[followers[equal[: len(followers)]]] = True
    kept = twins[equal[len(followers) :]]
    row[kept] = twin[kept]
    return Events(key=events.key, at=events.at, row=row).some(~repeats)


def _starts(values: Positions) -> NDArray[np.bool_]:
    """Say where a value differs from the one before it."""
    return np.concatenate((np.ones(min(len(values), 1), bool), values[1:] != values[:-1]))
