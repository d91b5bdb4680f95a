"""Which values of a unique column a run has seen. One object a column and run; units share it between threads.

Cost: while batches come in order and do not overlap, as keys of a source often do, nothing but the values themselves
is kept (8 bytes for an int64) and no value is hashed. From the first batch that is not in order on, every distinct
value is in a hash set, about 100 bytes each: ten million take a gigabyte.
"""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.validation.rules import plain


class Seen:
    """The values so far. Of equal values the first one that arrives is the one that stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: list[tuple[Any, Any, pa.Array]] = []
        self._values: set[Any] | None = None

    def repeated(self, values: pa.Array, rows: pa.BooleanArray | None = None) -> pa.BooleanArray | None:
        """Give the rows whose value came before, in this batch or an earlier one, and remember the others.

        Only ``rows`` count when given; NULL repeats nothing.
        """
        counted = values.is_valid() if rows is None else pc.and_(rows, values.is_valid())
        some = comparable(values.filter(counted))
        if not len(some):
            return None
        with self._lock:
            repeated = None if self._extends(some) else self._hashed(some)
        if repeated is None:
            return None
        places = pc.indices_nonzero(counted).filter(repeated)
        return pc.is_in(pa.arange(0, len(values)).cast(places.type), value_set=places)

    def _extends(self, values: pa.Array) -> bool:
        """Take a batch that rises and lies apart from all before it."""
        if self._values is not None or (len(values) > 1 and not pc.all(pc.greater(values[1:], values[:-1])).as_py()):
            return False
        low, high = values[0].as_py(), values[-1].as_py()
        if low != low or any(low <= last and first <= high for first, last, _ in self._runs):  # noqa: PLR0124 - NaN
            return False
        self._runs.append((low, high, values))
        return True

    def _hashed(self, values: pa.Array) -> pa.BooleanArray | None:
        if self._values is None:
            self._values = {v for _, _, run in self._runs for v in run.to_pylist()}
            self._runs = []
        codes = values.dictionary_encode()
        distinct = codes.dictionary.to_pylist()
        again = self._values.intersection(distinct)
        self._values.update(distinct)
        if not again and len(distinct) == len(values):
            return None
        first = _first_of_each(codes.indices)
        known = pc.is_in(values, value_set=pa.array(list(again), values.type))
        return pc.or_(known, pc.invert(first))


def comparable(values: pa.Array) -> pa.Array:
    """Give values that Python can compare and hash exactly: moments as integers, uuids as bytes."""
    values = plain(values)
    if pa.types.is_temporal(values.type):
        return values.view(pa.int32() if values.type.bit_width == 32 else pa.int64())  # noqa: PLR2004 - bits
    return values


def _first_of_each(codes: pa.Array) -> pa.BooleanArray:
    """Codes are given in order of first sight, so a value is new where its code exceeds all before it."""
    highest = pc.cumulative_max(codes)
    before = pa.concat_arrays([pa.array([-1], codes.type), highest[:-1]])
    return pc.greater(codes, before)
