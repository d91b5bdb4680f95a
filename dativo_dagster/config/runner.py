"""The runner file of the earlier system (``start orchestrated``): which jobs run when. Called by the CLI.

Both shapes load: the bare one its loader took, and the one its own files had, with ``runner:`` around everything.
Schedules of ours stand in the jobs themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from dativo_dagster.config.blocks import FileModel, Name
from dativo_dagster.config.cron import check_cron, check_timezone
from dativo_dagster.config.document import Document, Map, read_document
from dativo_dagster.config.mistakes import Mistakes, validated
from dativo_dagster.config.paths import resolve_path
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEDULE_TAG = "dativo/schedule"  # on every run that a schedule of a runner file launches: the schedule's name


@dataclass(frozen=True, kw_only=True)
class RunnerSchedule:
    """When one job runs: exactly one of ``cron`` and ``interval_seconds`` is set."""

    name: str
    job: Path
    cron: str | None = None
    interval_seconds: int | None = None
    enabled: bool = True
    timezone: str = "UTC"
    max_concurrent_runs: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def crontab(self) -> str:
        """Give the cron, also of an interval."""
        return self.cron or interval_cron(self.interval_seconds or 0)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Which jobs run when."""

    path: Path
    mode: str = "orchestrated"
    concurrency_per_tenant: int = 1
    schedules: tuple[RunnerSchedule, ...] = ()


class RunnerScheduleFile(FileModel):
    """When one job runs."""

    name: Name
    config: str = Field(min_length=1, description="The job's file.")
    cron: str | None = Field(default=None, description="Five fields, minute to weekday, or a word such as @daily.")
    interval_seconds: int | None = Field(
        default=None, ge=1, description="Instead of a cron: minutes that divide an hour, or hours that divide a day."
    )
    enabled: bool = True
    timezone: str = Field(default="UTC", description="IANA name of the zone that the cron is meant in.")
    max_concurrent_runs: int = Field(default=1, ge=1)
    tags: dict[str, str] = Field(default={})

    @field_validator("cron")
    @classmethod
    def _cron(cls, text: str | None) -> str | None:
        return text if text is None else check_cron(text)

    @field_validator("interval_seconds")
    @classmethod
    def _interval(cls, seconds: int | None) -> int | None:
        if seconds is not None:
            interval_cron(seconds)
        return seconds

    _timezone = field_validator("timezone")(check_timezone)


class OrchestratorFile(FileModel):
    """What runs the jobs."""

    type: Literal["dagster"] = "dagster"
    concurrency_per_tenant: int = Field(default=1, ge=1)
    schedules: list[RunnerScheduleFile] = Field(default=[])


class RunnerFile(FileModel):
    """A runner file without its wrapping."""

    mode: Literal["orchestrated", "oneshot"] = "orchestrated"
    orchestrator: OrchestratorFile = OrchestratorFile()


def interval_cron(seconds: int) -> str:
    """Say "every so many seconds" as a cron.

    Raises:
        ValueError: No cron says just that. The earlier system rounded to minutes, or crashed.
    """
    minutes, hours = seconds // 60, seconds // 3600
    if seconds % 60 == 0 and minutes and 60 % minutes == 0 and minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"*/{minutes} * * * *"
    if seconds % 3600 == 0 and hours and 24 % hours == 0 and hours < 24:  # noqa: PLR2004 - hours of a day
        return f"0 */{hours} * * *"
    if hours == 24 and seconds % 3600 == 0:  # noqa: PLR2004 - hours of a day
        return "0 0 * * *"
    raise ValueError(
        f"no schedule comes every {seconds} seconds: use minutes that divide an hour, hours that divide a day"
    )


def is_runner(path: Path) -> bool:
    """Tell a runner file from the other YAML files, broken ones included."""
    try:
        data = read_document(path).data
    except ConfigurationError:
        return False
    return isinstance(data, Map) and not {"runner", "orchestrator"}.isdisjoint(data)


def load_runner(path: Path) -> Runner:
    """Read a runner file of either shape.

    Raises:
        ConfigurationError: Something is wrong; the message has a line with place, field and advice for each mistake.
    """
    document, mistakes = read_document(path), Mistakes("BAD_RUNNER")
    data = document.data
    wrapped = isinstance(data, Map) and set(data) == {"runner"}
    within: tuple[str, ...] = ("runner",) if wrapped else ()
    inner = Document(path, data["runner"] if wrapped else data)
    if not isinstance(inner.data, Map):
        mistakes.add(document.mark(within), within, "a runner file is a mapping with `mode` and `orchestrator`")
    file = validated(RunnerFile, inner, mistakes, within=within) if isinstance(inner.data, Map) else None
    for i, schedule in enumerate(file.orchestrator.schedules if file else ()):
        _one_clock(schedule, inner, ("orchestrator", "schedules", i), within, mistakes)
    _twice(file, inner, within, mistakes)
    mistakes.raise_any()
    return _runner(path, file or RunnerFile())


def _one_clock(
    schedule: RunnerScheduleFile, document: Document, at: tuple[str | int, ...], within: tuple[str, ...], to: Mistakes
) -> None:
    if (schedule.cron is None) == (schedule.interval_seconds is None):
        to.add(document.mark(at), (*within, *at), "say exactly one of `cron` and `interval_seconds`")


def _twice(file: RunnerFile | None, document: Document, within: tuple[str, ...], mistakes: Mistakes) -> None:
    names: set[str] = set()
    for i, schedule in enumerate(file.orchestrator.schedules if file else ()):
        at: tuple[Any, ...] = ("orchestrator", "schedules", i, "name")
        if schedule.name in names:
            mistakes.add(document.mark(at), (*within, *at), f"{schedule.name!r} names two schedules; rename one")
        names.add(schedule.name)


def _runner(path: Path, file: RunnerFile) -> Runner:
    return Runner(
        path=path,
        mode=file.mode,
        concurrency_per_tenant=file.orchestrator.concurrency_per_tenant,
        schedules=tuple(
            RunnerSchedule(
                job=resolve_path(schedule.config, path.parent),
                **schedule.model_dump(exclude={"config"}),
            )
            for schedule in file.orchestrator.schedules
        ),
    )
