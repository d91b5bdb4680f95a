"""Can the systems be reached, and what do they have? Two jobs for the whole code location, and asset checks.

The outcome of a connection is the check ``connection`` on the external asset, whoever asked: the job, the UI's
button on the check, or the tenant's sensor.
"""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import dagster as dg

from dativo_dagster.config.job import Job, JobStream, Place
from dativo_dagster.config.load import LoadedFolder
from dativo_dagster.orchestration.events import check_evaluation, check_result, log_check, streams_metadata
from dativo_dagster.orchestration.failures import failure
from dativo_dagster.orchestration.hiding import without_secrets
from dativo_dagster.orchestration.naming import CONNECTION, joined, source_key
from dativo_dagster.orchestration.resources import JobsResource, as_deployed
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import CheckResult


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One way to reach a source: the stream of a job that knows it."""

    path: Path
    stream: str

    def check(self, *, apart: float | None = None) -> CheckResult:
        """Try to reach the source, with the job as its file is now and the secrets of its tenant.

        Args:
            apart: Give a plugin a process of its own for as many seconds, whatever the job says: it must not end this
                one, nor stay in it.
        """
        from dativo_dagster.pipeline.look import check_connection

        try:
            job = as_deployed(self.path)
        except DativoError as error:
            return refusal(error)
        stream = job.stream(self.stream)
        return without_secrets(check_connection(job, _apart(stream, apart) if apart else stream, "source"), job)


def _apart(stream: JobStream, seconds: float) -> JobStream:
    """Give a stream whose plugin, if it has one, runs in a child process; another place than here is left alone."""
    source = stream.source
    if not source.plugin or (source.place is not None and source.place.launcher not in {"local", "process"}):
        return stream
    limits = source.place.options if source.place is not None and source.place.launcher == "process" else {}
    place = Place(launcher="process", options={**limits, "start_seconds": seconds, "timeout_seconds": seconds})
    return replace(stream, source=replace(source, place=place))


def refusal(error: DativoError) -> CheckResult:
    """Give an error as the outcome of a connection check."""
    return CheckResult(
        name=CONNECTION, passed=False, message=error.message, code=error.error_code, retryable=error.retryable
    )


def connections_of(jobs: Iterable[Job]) -> dict[dg.AssetKey, tuple[Connection, ...]]:
    """Give the different ways to reach each source, by the key of its external asset."""
    ways: dict[dg.AssetKey, dict[str, Connection]] = {}
    for job in jobs:
        for stream in job.streams:
            options = repr((stream.source.connector, stream.source.options, stream.source.plugin))
            way = Connection(path=job.path, stream=stream.name)
            ways.setdefault(source_key(job, stream), {}).setdefault(options, way)
    return {key: tuple(found.values()) for key, found in ways.items()}


def check_all(ways: Sequence[Connection], *, apart: float | None = None) -> CheckResult:
    """Check every way to reach a source, each as `Connection.check` does; the first refusal is the answer."""
    outcomes = [(way, way.check(apart=apart)) for way in ways]
    refused = [(way, outcome) for way, outcome in outcomes if not outcome.passed]
    way, outcome = (refused or outcomes)[0]
    return CheckResult(
        name=CONNECTION,
        passed=outcome.passed,
        message=outcome.message,
        code=outcome.code,
        retryable=outcome.retryable,
        details={"job_file": str(way.path), "stream": way.stream, "ways": len(ways), "refused": len(refused)},
    )


def connection_checks(tenant: str, sources: Mapping[dg.AssetKey, Sequence[Connection]]) -> dg.AssetChecksDefinition:
    """Make the connection checks of a tenant's sources, for the UI to run; the sensor evaluates them as well."""
    specs = [dg.AssetCheckSpec(CONNECTION, asset=key, description="The source can be reached.") for key in sources]

    @dg.multi_asset_check(name=joined(CONNECTION, tenant), specs=specs, can_subset=True)
    def step(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        for check in context.selected_asset_check_keys:
            yield check_result(check.asset_key, check_all(sources[check.asset_key]))

    return step


class Choice(dg.Config):
    """Which job to look at; all when left out."""

    job: Optional[str] = None  # noqa: UP045 - Dagster evaluates the annotation, also on Python 3.10


@dg.op(name="connections", out=dg.Out(dg.Nothing))
def check_connections_op(context: dg.OpExecutionContext, config: Choice, jobs: JobsResource) -> dg.Output[None]:
    """Reach source and target of every stream of the chosen jobs; the step fails when one refuses."""
    from dativo_dagster.pipeline.look import check_connection

    chosen = _chosen(jobs, config.job)
    records = _unloaded(chosen)
    for job, stream in _streams(chosen):
        for side in ("source", "target"):
            check = without_secrets(check_connection(job, stream, side), job)
            records.append(_record(job, stream, side, check))
            if side == "source":
                log_check(context, check_evaluation(source_key(job, stream), check))
    return _judged("connections", records)


@dg.op(name="discovery", out=dg.Out(dg.Nothing))
def discover_sources_op(context: dg.OpExecutionContext, config: Choice, jobs: JobsResource) -> dg.Output[None]:
    """List what the sources of the chosen jobs have, as observations of the external assets."""
    from dativo_dagster.pipeline.look import discover

    chosen = _chosen(jobs, config.job)
    records = _unloaded(chosen)
    for job, stream in _streams(chosen):
        try:
            found = discover(job, stream)
        except DativoError as error:
            records.append(_record(job, stream, "source", without_secrets(refusal(error), job)))
            continue
        context.log_event(dg.AssetObservation(source_key(job, stream), metadata=streams_metadata(found)))
        names = ", ".join(s.name for s in found)
        records.append(_record(job, stream, "source", CheckResult(name="discovery", passed=True, message=names)))
    return _judged("sources", records)


def _chosen(jobs: JobsResource, name: str | None) -> LoadedFolder:
    try:
        return jobs.chosen(name)
    except DativoError as error:
        raise failure(error) from error


def _streams(chosen: LoadedFolder) -> Iterator[tuple[Job, JobStream]]:
    return ((job, stream) for job in chosen.jobs for stream in job.streams)


def _unloaded(chosen: LoadedFolder) -> list[dg.TableRecord]:
    """Give a line for each file that cannot be loaded, so that nobody takes it for checked."""
    return [_line("", problem.path.name, "", "file", refusal(problem.error)) for problem in chosen.problems]


def _record(job: Job, stream: JobStream, side: str, check: CheckResult) -> dg.TableRecord:
    return _line(job.tenant, job.name, stream.name, side, check)


def _line(tenant: str, job: str, stream: str, side: str, check: CheckResult) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "tenant": tenant,
            "job": job,
            "stream": stream,
            "side": side,
            "passed": check.passed,
            "code": check.code or "",
            "message": check.message,
        }
    )


def _judged(what: str, records: Sequence[dg.TableRecord]) -> dg.Output[None]:
    refused = sum(not record.data["passed"] for record in records)
    metadata: dict[str, Any] = {what: len(records), "refused": refused}
    if records:
        metadata["results"] = dg.MetadataValue.table(list(records))
    if refused:
        raise dg.Failure(f"{refused} of {len(records)} {what} refused", metadata=metadata, allow_retries=False)
    return dg.Output(None, metadata=metadata)


@dg.job(name="check_connections", description="Reach the source and the target of one job, or of all.")
def check_connections() -> None:
    """Run the one step."""
    check_connections_op()


@dg.job(name="discover_sources", description="List what the sources of one job, or of all, have to offer.")
def discover_sources() -> None:
    """Run the one step."""
    discover_sources_op()
