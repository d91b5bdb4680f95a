"""Whether rows are equal, column by column, for every type: NULL equals NULL and NaN equals NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray


def equal(left: pa.Array, right: pa.Array) -> NDArray[np.bool_]:
    """Compare two arrays of one type and length, row by row."""
    nulls = _bools(left.is_null()), _bools(right.is_null())
    neither = ~(nulls[0] | nulls[1])
    if not neither.all():
        same: NDArray[np.bool_] = nulls[0] & nulls[1]
        chosen = pa.array(np.flatnonzero(neither))
        same[neither] = _values(left.take(chosen), right.take(chosen))
        return same
    return _values(left, right)


def _values(left: pa.Array, right: pa.Array) -> NDArray[np.bool_]:
    """Compare arrays without NULL."""
    kind = left.type
    if isinstance(kind, pa.BaseExtensionType):
        return _values(left.storage, right.storage)
    if pa.types.is_struct(kind):
        same = np.ones(len(left), bool)
        for one, other in zip(left.flatten(), right.flatten(), strict=True):
            same &= equal(one, other)
        return same
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _lists(_as_list(left), _as_list(right))
    if pa.types.is_null(kind):
        return np.ones(len(left), bool)
    same = _bools(pc.equal(left, right))
    return same | _bools(pc.and_(pc.is_nan(left), pc.is_nan(right))) if pa.types.is_floating(kind) else same


def _as_list(array: pa.Array) -> pa.Array:
    """Give a map as the list of its entries, which it is."""
    kind = array.type
    if not pa.types.is_map(kind):
        return array
    entries = pa.struct([kind.key_field, kind.item_field])
    return array.cast(pa.list_(pa.field("entries", entries, nullable=False)))


def _lists(left: pa.Array, right: pa.Array) -> NDArray[np.bool_]:
    """Compare lists: as long as each other, and no element that differs."""
    lengths = pc.list_value_length(left).to_numpy(zero_copy_only=False)
    same: NDArray[np.bool_] = lengths == pc.list_value_length(right).to_numpy(zero_copy_only=False)
    chosen = np.flatnonzero(same)
    one, other = (array.take(pa.array(chosen)).flatten() for array in (left, right))
    differs = ~equal(one, other)
    owner = np.repeat(chosen, lengths[chosen])
    same[owner[differs]] = False
    return same


def _bools(array: pa.Array) -> NDArray[np.bool_]:
    return array.to_numpy(zero_copy_only=False).astype(bool)  # type: ignore[no-any-return]
