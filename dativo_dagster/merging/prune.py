"""Files that cannot have a key of a run, told by the bounds of their columns, so that nobody opens them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.merging.keys import plain

if TYPE_CHECKING:
    from dativo_dagster.merging.keys import Keys

Bounds = Mapping[str, tuple[Any, Any]]
"""Lowest and highest value of each column as `comparable` has them; None where it is not known."""


class Ranges:
    """The values that the keys of a run have in each column.

    Args:
        key: The names of the columns.
        keys: The keys.
    """

    def __init__(self, key: Sequence[str], keys: Keys) -> None:
        self.values = dict(zip(key, keys.values, strict=True))
        self.columns = {name: _Sorted(values) for name, values in self.values.items()}

    def meet(self, bounds: Bounds) -> bool:
        """Say whether a file with these bounds may have one of the keys."""
        return all(
            column.between(*bounds[name]) for name, column in self.columns.items() if bounds.get(name) is not None
        )


class _Sorted:
    """Distinct values in order, looked up without being turned into Python objects."""

    def __init__(self, values: pa.Array) -> None:
        numbers = comparable(values)
        self.values: Any = (
            np.sort(numbers.to_numpy(zero_copy_only=False))
            if pa.types.is_integer(numbers.type)
            else numbers.take(pc.sort_indices(numbers))
        )

    def between(self, low: Any, high: Any) -> bool:
        """Say whether a value lies between two, both included; None is no bound."""
        at = 0 if low is None else bisect_left(range(len(self.values)), low, key=self._value)
        return at < len(self.values) and (high is None or self._value(at) <= high)

    def _value(self, at: int) -> Any:
        value = self.values[at]
        return value.as_py() if isinstance(value, pa.Scalar) else int(value)


def comparable(values: pa.Array) -> pa.Array:
    """Give values as bounds have them: times as whole units since 1970, text as its bytes in UTF-8."""
    kind = values.type
    if pa.types.is_temporal(kind):
        return values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())  # noqa: PLR2004 - bits
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.large_binary())
    return plain(values)
