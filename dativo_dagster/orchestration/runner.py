"""The schedules of a runner file of the earlier system, for the jobs that it names. Called by `build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.config.runner import SCHEDULE_TAG, load_runner
from dativo_dagster.orchestration.assets import valid_tags
from dativo_dagster.orchestration.naming import slug
from dativo_dagster.orchestration.schedules import default_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dativo_dagster.config.runner import RunnerSchedule


def runner_schedules(runner: Path, jobs: Mapping[Path, str]) -> list[dg.ScheduleDefinition]:
    """Make the schedules of a runner file.

    Args:
        runner: The file.
        jobs: Name of the Dagster job by job file; a file that could not be loaded has none and no schedule.
    """
    return [_schedule(each, jobs[each.job]) for each in load_runner(runner).schedules if each.job in jobs]


def _schedule(schedule: RunnerSchedule, job: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=slug(schedule.name),
        job_name=job,
        cron_schedule=schedule.crontab,
        execution_timezone=schedule.timezone,
        default_status=default_status(enabled=schedule.enabled),
        tags={**valid_tags(schedule.tags), SCHEDULE_TAG: schedule.name},
    )
