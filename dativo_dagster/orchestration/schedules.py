"""The schedule of a job, as its file says; of a partitioned one it runs the parts that ended since the last tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.orchestration.partitions import due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dativo_dagster.config.job import Partitions, Schedule


def job_schedule(
    job: str,
    schedule: Schedule,
    partitions: Partitions | None = None,
    *,
    name: str = "",
    tags: Mapping[str, str] | None = None,
) -> dg.ScheduleDefinition:
    """Make the schedule of the Dagster job called ``job``.

    The file decides: a schedule runs as soon as the daemon sees it unless it says ``enabled: false``. Stopping or
    starting it in the UI overrules the file until it is reset there.
    """
    ticks = _ticks(schedule, partitions, tags or {}) if partitions else None
    return dg.ScheduleDefinition(
        name=name or f"{job}__schedule",
        job_name=job,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        default_status=default_status(enabled=schedule.enabled),
        tags=tags,
        execution_fn=ticks,
    )


def _ticks(
    schedule: Schedule, partitions: Partitions, tags: Mapping[str, str]
) -> Callable[[dg.ScheduleEvaluationContext], Iterator[dg.RunRequest | dg.SkipReason]]:
    """Make what a schedule of a partitioned job does at a tick: ask for a run of each part that is due."""

    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        at = context.scheduled_execution_time
        keys = due(partitions, schedule, at)
        if not keys:
            yield dg.SkipReason("no partition has ended since the tick before")
        for key in keys:
            yield dg.RunRequest(run_key=f"{key} {at.isoformat()}", partition_key=key, tags=tags)

    return tick


def default_status(*, enabled: bool) -> dg.DefaultScheduleStatus:
    """Give the status of a schedule as long as nobody touched it in the UI."""
    return dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED
