"""The schedules of a runner file of the earlier system, for the jobs that it names. Called by `build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_dagster.config.job import Schedule
from dativo_dagster.config.runner import SCHEDULE_TAG, load_runner
from dativo_dagster.orchestration.assets import valid_tags
from dativo_dagster.orchestration.naming import slug
from dativo_dagster.orchestration.schedules import job_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import dagster as dg

    from dativo_dagster.config.job import Job
    from dativo_dagster.config.runner import RunnerSchedule


def runner_schedules(runner: Path, jobs: Mapping[Path, tuple[Job, str]]) -> list[dg.ScheduleDefinition]:
    """Make the schedules of a runner file.

    Args:
        runner: The file.
        jobs: The job and the name of its Dagster job by job file; a file that could not be loaded has no schedule.
    """
    return [_schedule(each, *jobs[each.job]) for each in load_runner(runner).schedules if each.job in jobs]


def _schedule(said: RunnerSchedule, job: Job, name: str) -> dg.ScheduleDefinition:
    when = Schedule(cron=said.crontab, timezone=said.timezone, enabled=said.enabled)
    tags = {**valid_tags(said.tags), SCHEDULE_TAG: said.name}
    return job_schedule(name, when, job.partitions, name=slug(said.name), tags=tags)
