"""Keys of one or more columns, numbered so that rows with one key find each other.

Values are compared, never digests of them. No Python runs per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_ingest.exceptions import ValidationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary(), pa.bool_(): pa.int8()}


class Keys:
    """The distinct keys of some rows.

    Args:
        columns: The key's columns, without NULL, see `refuse_nulls`.

    Attributes:
        numbers: For each row the number of its key, from 0.
        count: How many keys there are.
        values: The distinct values of each column.
    """

    def __init__(self, columns: Sequence[pa.ChunkedArray]) -> None:
        self.values: list[pa.Array] = []
        self._pairs: list[NDArray[np.int64]] = []
        self.numbers: NDArray[np.int64] = np.zeros(0, np.int64)
        self.count = 0
        for column in columns:
            encoded = pc.dictionary_encode(plain(column))
            self.values.append(encoded.dictionary)
            found = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            if len(self.values) == 1:
                self.numbers, self.count = found, len(encoded.dictionary)
                continue
            # Both numbers are below the number of rows, so that their product stays far below 2^63.
            pairs, self.numbers = np.unique(self.numbers * len(encoded.dictionary) + found, return_inverse=True)
            self._pairs.append(pairs)
            self.count = len(pairs)

    def find(self, columns: Sequence[pa.Array]) -> NDArray[np.int64]:
        """Give for each row of other columns the number of its key, -1 where it is none of these or has NULL."""
        numbers = _index(columns[0], self.values[0])
        for column, values, pairs in zip(columns[1:], self.values[1:], self._pairs, strict=True):
            found = _index(column, values)
            wanted = numbers * len(values) + found
            at = np.searchsorted(pairs, wanted)
            at[at == len(pairs)] = 0
            known = (numbers >= 0) & (found >= 0) & (pairs[at] == wanted if len(pairs) else False)
            numbers = np.where(known, at, -1)
        return numbers


def plain(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give a column as one array of a type that Arrow can look up: storage of extensions, wide offsets."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = column.cast(kind.storage_type)
        kind = kind.storage_type
    column = column.cast(_WIDE.get(kind, kind))
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def refuse_nulls(columns: Sequence[pa.ChunkedArray], key: Sequence[str], table: str) -> None:
    """Refuse rows that have NULL in their key.

    Raises:
        ValidationError: ``MERGE_NULL_KEY``, with how many there are in each column.
    """
    counts = {name: column.null_count for name, column in zip(key, columns, strict=True) if column.null_count}
    if counts:
        told = ", ".join(f"{name!r} in {count:,} rows" for name, count in counts.items())
        raise ValidationError(
            f"table {table}: the key is NULL: {told}; nothing was committed. Make the columns `required` in the "
            "contract, so that such rows are rejected, or choose another key",
            "MERGE_NULL_KEY",
            {"table": table, "rows": counts},
        )


def _index(column: pa.Array, values: pa.Array) -> NDArray[np.int64]:
    found = pc.index_in(plain(column), values)
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]
