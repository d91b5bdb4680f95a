"""A folder of job files becomes one code location. Called by `dativo_dagster.definitions` and by the component.

No job can take the others down: whatever is wrong with one becomes a node in the group ``broken_jobs``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from dativo_dagster.config.load import load_folder
from dativo_dagster.config.runner import is_runner
from dativo_dagster.orchestration.assets import source_spec, stream_asset, valid_tags
from dativo_dagster.orchestration.broken import Broken, loads_checks
from dativo_dagster.orchestration.checks import stream_checks
from dativo_dagster.orchestration.connections import (
    Connection,
    check_connections,
    connection_checks,
    connections_of,
    discover_sources,
)
from dativo_dagster.orchestration.maintenance import maintain_tables
from dativo_dagster.orchestration.naming import job_name, slug
from dativo_dagster.orchestration.replay import replay_quarantine
from dativo_dagster.orchestration.resources import JobsResource
from dativo_dagster.orchestration.runner import runner_schedules
from dativo_dagster.orchestration.schedules import job_schedule
from dativo_dagster.orchestration.sensors import broken_sensors, connection_sensor
from dativo_dagster.orchestration.shelf import Shelf
from dativo_dagster.orchestration.tidying import tidy_places
from dativo_ingest.exceptions import ConfigurationError, DativoError, wrap_exception

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dativo_dagster.config.job import Job


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What one job adds to the code location."""

    job: Job
    assets: list[dg.AssetsDefinition]
    checks: list[dg.AssetChecksDefinition]
    sources: dict[dg.AssetKey, dg.AssetSpec]
    ingest: dg.JobDefinition
    schedule: dg.ScheduleDefinition | None


def build_definitions(folder: Path) -> dg.Definitions:
    """Make the definitions of all jobs in ``folder``, or that the runner file ``folder`` names.

    No network, no plugin and no row is touched.
    """
    jobs, broken = _loaded(folder)
    parts, shelf = list[Parts](), Shelf()
    for job in jobs:
        made = _built(job, shelf)
        if isinstance(made, Parts):
            parts.append(made)
        else:
            broken.append(Broken(file=job.path, name=_name(job.path, folder), error=made))
    sources = _by_tenant(parts)
    for each in broken:
        dg.get_dagster_logger("dativo").error("%s is not loaded: %s", each.file, each.error.message)
    return dg.Definitions(
        assets=[*(asset for part in parts for asset in part.assets), *_sources(parts), *(b.spec() for b in broken)],
        asset_checks=[
            *(check for part in parts for check in part.checks),
            *(connection_checks(tenant, found) for tenant, found in sources.items()),
            *loads_checks(broken),
        ],
        jobs=[
            check_connections,
            discover_sources,
            maintain_tables,
            replay_quarantine,
            tidy_places,
            *(part.ingest for part in parts),
        ],
        schedules=[*(part.schedule for part in parts if part.schedule), *_runner(folder, parts)],
        sensors=[
            *(connection_sensor(tenant, found) for tenant, found in sources.items()),
            *broken_sensors(broken),
        ],
        resources={"jobs": JobsResource(path=str(folder)), **shelf.resources},
        executor=dg.in_process_executor,
    )


def _runner(folder: Path, parts: Sequence[Parts]) -> list[dg.ScheduleDefinition]:
    """Make the schedules of a runner file that stands for the folder."""
    if not parts or not folder.is_file() or not is_runner(folder):
        return []
    return runner_schedules(folder, {part.job.path: (part.job, part.ingest.name) for part in parts})


def _loaded(folder: Path) -> tuple[tuple[Job, ...], list[Broken]]:
    try:
        loaded = load_folder(folder)
    except ConfigurationError as error:
        return (), [Broken(file=folder, name=folder.name, error=error)]
    return loaded.jobs, [Broken(file=p.path, name=_name(p.path, folder), error=p.error) for p in loaded.problems]


def _name(path: Path, folder: Path) -> str:
    """Name a job file as people see it in the folder; files in two subfolders may have one name."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _built(job: Job, shelf: Shelf) -> Parts | DativoError:
    try:
        return build_job(job, shelf)
    except Exception as error:  # noqa: BLE001 - the boundary of a job: its error is shown, the others live
        return wrap_exception(error, ConfigurationError)


def build_job(job: Job, shelf: Shelf) -> Parts:
    """Make what one job adds: an asset and a check step a stream, their sources, a Dagster job, perhaps a schedule.

    The Dagster job is resolved here, among its own assets. Left to the code location, each job is searched for in the
    assets of all jobs (25 s of CPU for 1,000 jobs instead of 3), and one that cannot be resolved takes all down.
    """
    keys = [shelf.keys(job, stream) for stream in job.streams]
    assets = [stream_asset(job, stream, each) for stream, each in zip(job.streams, keys, strict=True)]
    checks = [stream_checks(job, stream, asset) for stream, asset in zip(job.streams, assets, strict=True)]
    sources = {spec.key: spec for spec in (source_spec(job, stream) for stream in job.streams)}
    name = job_name(job)
    ingest = dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*(asset.key for asset in assets)),
        description=job.description or f"Ingest what {job.path.name} says.",
        tags=valid_tags({**job.tags, "tenant": slug(job.tenant), "job": slug(job.name)}),
    )
    alone = dg.Definitions(
        assets=[*assets, *sources.values()],
        asset_checks=checks,
        jobs=[ingest],
        resources=shelf.of(*keys),
        executor=dg.in_process_executor,
    )
    return Parts(
        job=job,
        assets=assets,
        checks=checks,
        sources=sources,
        ingest=alone.resolve_job_def(name),
        schedule=job_schedule(name, job.schedule, job.partitions) if job.schedule else None,
    )


def _sources(parts: Sequence[Parts]) -> list[dg.AssetSpec]:
    """Give one external asset a source, however many jobs read it; a table of ours stays what it is."""
    made = {asset.key for part in parts for asset in part.assets}
    return [spec for key, spec in {k: s for p in parts for k, s in p.sources.items()}.items() if key not in made]


def _by_tenant(parts: Sequence[Parts]) -> dict[str, dict[dg.AssetKey, tuple[Connection, ...]]]:
    tenants: dict[str, list[Job]] = defaultdict(list)
    for part in parts:
        tenants[part.job.tenant].append(part.job)
    return {tenant: connections_of(jobs) for tenant, jobs in tenants.items()}
