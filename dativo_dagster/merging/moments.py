"""The three columns that history adds to a table, and moments as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from dativo_dagster.config.job import Merge
    from dativo_dagster.merging.rows import Positions

MOMENT = pa.timestamp("us", "UTC")
ALWAYS = np.iinfo(np.int64).min
"""Since when a version holds that has no beginning."""
NEVER = np.iinfo(np.int64).max
"""Until when a version holds that has no end."""


def is_moment(kind: pa.DataType) -> bool:
    """Say whether values of a type say when something was."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def micros(column: pa.Array | pa.ChunkedArray, null: int) -> Positions:
    """Give moments as microseconds since 1970 in UTC, and ``null`` for NULL; what is finer is cut off."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if whole.type != MOMENT:
        whole = whole.cast(pa.timestamp("us"), safe=False) if not _zoned(whole.type) else whole.cast(MOMENT, safe=False)
    numbers: Positions = whole.cast(pa.int64()).fill_null(null).to_numpy(zero_copy_only=False)
    return numbers


def moments(numbers: Positions) -> pa.Array:
    """Give microseconds as moments; `ALWAYS` and `NEVER` are NULL."""
    open_ = (numbers == NEVER) | (numbers == ALWAYS)
    return pa.array(np.where(open_, 0, numbers), pa.int64(), mask=open_).cast(MOMENT)


def added(merge: Merge) -> dict[str, pa.DataType]:
    """Give the columns that history adds."""
    return {merge.valid_from: MOMENT, merge.valid_to: MOMENT, merge.is_current: pa.bool_()}


def begun(batch: pa.RecordBatch, merge: Merge) -> pa.RecordBatch:
    """Add history's columns to rows of a run, as they are right when each is the first and last version of its key."""
    since = np.full(batch.num_rows, ALWAYS)
    if merge.order_by is not None and is_moment(batch.schema.field(merge.order_by).type):
        since = micros(batch.column(merge.order_by), ALWAYS)
    new = (moments(since), pa.nulls(batch.num_rows, MOMENT), pa.repeat(pa.scalar(True), batch.num_rows))  # noqa: FBT003
    for name, values in zip(added(merge), new, strict=True):
        batch = batch.append_column(pa.field(name, values.type), values)
    return batch


def _zoned(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None
