"""A file written again without some of its rows, or with other values in some: batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.merging.rows import Fate, Rows, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.merging.rows import Positions


def rewritten(file: Rows, fate: Fate, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that stay, as they are from now on."""
    for start, batch in file.read(columns):
        patched = _patched(start, batch, fate)
        gone = within(fate.gone, start, batch.num_rows)
        if len(gone):
            stays = np.ones(batch.num_rows, bool)
            stays[gone] = False
            patched = patched.filter(pa.array(stays))
        if patched.num_rows:
            yield patched


def found(file: Rows, columns: Sequence[str], matches: Callable[[pa.RecordBatch], pa.Array]) -> Positions:
    """Give the positions of the rows that match; ``matches`` gives a boolean array, and NULL is no match."""
    parts = [
        start + np.flatnonzero(pc.fill_null(matches(batch), False).to_numpy(zero_copy_only=False))  # noqa: FBT003
        for start, batch in file.read(columns)
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def _patched(start: int, batch: pa.RecordBatch, fate: Fate) -> pa.RecordBatch:
    first, last = np.searchsorted(fate.patched, (start, start + batch.num_rows))
    if first == last:
        return batch
    mask = np.zeros(batch.num_rows, bool)
    mask[fate.patched[first:last] - start] = True
    columns = [
        pc.replace_with_mask(column, pa.array(mask), fate.values[name].slice(first, last - first).cast(column.type))
        if name in fate.values
        else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
