"""Partitions of a job as Dagster knows them: its definitions, which part a run is about, which ones a schedule runs.

The keys are those of `config.partitions`, whose words also say which rows a key stands for; Dagster's own windows are
never asked, so that a run does the same from the command line.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.config.partitions import first_and_end, keys_of, slice_of
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Every, JobStream, Partitions, Schedule, Slice

_CALENDARS: dict[Every, type[dg.TimeWindowPartitionsDefinition]] = {
    "hour": dg.HourlyPartitionsDefinition,
    "day": dg.DailyPartitionsDefinition,
    "week": dg.WeeklyPartitionsDefinition,
    "month": dg.MonthlyPartitionsDefinition,
}


def definition_of(partitions: Partitions) -> dg.PartitionsDefinition:
    """Make Dagster's definition of the parts of a stream."""
    if partitions.every is None:
        return dg.StaticPartitionsDefinition(list(partitions.keys))
    start, end = first_and_end(partitions)
    calendar = _CALENDARS[partitions.every]
    return calendar(start_date=start, end_date=end, timezone=partitions.timezone)  # type: ignore[call-arg]


def sliced(context: dg.OpExecutionContext, stream: JobStream) -> JobStream:
    """Give the part of a stream that a run is about; a stream without partitions as it is.

    Raises:
        ConfigurationError: ``NO_PARTITIONS``: the run is about none of them or about several at once.
            ``UNKNOWN_PARTITION``: the file has changed, and there is no such part any more.
    """
    if stream.partitions is None:
        return stream
    # A backfill may name its one part as a range of one.
    named = context.has_partition_key or context.has_partition_key_range
    keys = context.partition_keys if named else ()
    if len(keys) != 1:
        several = f", and not of {len(keys)}" if keys else ""
        raise ConfigurationError(
            f"stream {stream.name!r} is partitioned: a run is one of a single partition{several}, so that each has "
            "its own commit; launch a backfill instead, which makes one run of each, or `dativo run --partitions`",
            "NO_PARTITIONS",
        )
    return replace(stream, slice=slice_of(stream.partitions, keys[0], datetime.now(timezone.utc)))


def slice_metadata(part: Slice | None) -> dict[str, str]:
    """Say which rows a run is about; nothing for a stream without partitions."""
    if part is None:
        return {}
    rows = f"in {', '.join(part.values)}" if part.values else f"from {part.lower} to before {part.upper}"
    return {"partition": part.key, "window": f"{part.column} {rows}"}


def due(partitions: Partitions, schedule: Schedule, at: datetime) -> list[str]:
    """Give what a schedule runs at a tick: the parts of a calendar that have ended since the tick before, or all."""
    keys = keys_of(partitions, at)
    done = 0 if partitions.every is None else len(keys_of(partitions, _tick_before(schedule, at)))
    return keys[done:]


def _tick_before(schedule: Schedule, at: datetime) -> datetime:
    from dagster._utils.schedules import reverse_cron_string_iterator

    ticks = reverse_cron_string_iterator(at.timestamp() - 1, schedule.cron, schedule.timezone)
    return next(ticks)
