"""Which rows belong to one part of a partitioned stream."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Slice


def inside(column: pa.Array, part: Slice) -> pa.Array:
    """Say for each row whether it lies in a slice; NULL lies in none.

    Raises:
        ConfigurationError: ``BAD_SLICE``: the column's type has no place in a slice of time, or not such values.
    """
    if part.values:
        return pc.fill_null(pc.is_in(column, _values(part, column.type)), False)  # noqa: FBT003
    found = pa.repeat(pa.scalar(True), len(column))  # noqa: FBT003
    if part.lower is not None:
        found = pc.and_(found, pc.greater_equal(column, bound(part.lower, column.type, part)))
    if part.upper is not None:
        found = pc.and_(found, pc.less(column, bound(part.upper, column.type, part)))
    return pc.fill_null(found, False)  # noqa: FBT003


def _values(part: Slice, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(part.values).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigurationError(
            f"the values of partition {part.key!r} are none that column {part.column!r} can have, which is {kind}; "
            "write them in `keys` as the column has them",
            "BAD_SLICE",
            {"partition": part.key, "column": part.column, "type": str(kind)},
        ) from error


def bound(text: str, kind: pa.DataType, part: Slice) -> pa.Scalar:
    """Give a bound of a slice as a value of a column.

    A column of times without a zone shows the slice's own clocks. A date is a day of the calendar, wherever that is.

    Raises:
        ConfigurationError: ``BAD_SLICE``.
    """
    moment: Any = datetime.fromisoformat(text)
    if pa.types.is_date(kind):
        return pa.scalar(moment.date(), kind)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            wall = moment.astimezone(ZoneInfo(part.clocks)).replace(tzinfo=None)
            return pa.scalar(wall, pa.timestamp("us")).cast(kind)
        return pa.scalar(moment.astimezone(timezone.utc), pa.timestamp("us", "UTC")).cast(kind)
    raise ConfigurationError(
        f"column {part.column!r} is {kind}, and a slice of time needs a date or a timestamp; use `keys` instead of "
        "`every`, or another column",
        "BAD_SLICE",
        {"column": part.column, "type": str(kind)},
    )
