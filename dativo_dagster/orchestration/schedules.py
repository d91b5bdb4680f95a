"""The schedule of a job, as its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dativo_dagster.config.job import Schedule


def job_schedule(name: str, schedule: Schedule) -> dg.ScheduleDefinition:
    """Make the schedule of the Dagster job called ``name``.

    The file decides: a schedule runs as soon as the daemon sees it unless it says ``enabled: false``. Stopping or
    starting it in the UI overrules the file until it is reset there.
    """
    return dg.ScheduleDefinition(
        name=f"{name}__schedule",
        job_name=name,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        default_status=default_status(enabled=schedule.enabled),
    )


def default_status(*, enabled: bool) -> dg.DefaultScheduleStatus:
    """Give the status of a schedule as long as nobody touched it in the UI."""
    return dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED
