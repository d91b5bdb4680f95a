"""The job ``replay_quarantine``: quarantined rows of one YAML job land once its contract has been mended."""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
from typing import Any, Optional

import dagster as dg

from dativo_dagster.config.job import Job, JobStream
from dativo_dagster.orchestration.failures import failure
from dativo_dagster.orchestration.resources import JobsResource
from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import ConfigurationError, DativoError


class Replayed(dg.Config):
    """Whose rows: those of one job, of one of its streams if it is named."""

    job: str
    stream: Optional[str] = None  # noqa: UP045 - Dagster evaluates the annotation, also on Python 3.10
    dry_run: bool = False


@dg.op(name="replay", out=dg.Out(dg.Nothing))
def replay_op(context: dg.OpExecutionContext, config: Replayed, jobs: JobsResource) -> dg.Output[None]:
    """Hold quarantined rows against the contract as it is now; the step fails when a stream does, after all others."""
    try:
        chosen = jobs.chosen(config.job)
        streams = [(job, s) for job in chosen.jobs for s in _streams(job, config.stream)]
    except DativoError as error:
        raise failure(error) from error
    records = [_replayed(context, job, stream, config) for job, stream in streams]
    failed = sum(bool(record.data["failed"]) for record in records)
    metadata: dict[str, Any] = {
        "rows_landed": sum(int(str(record.data["landed"])) for record in records),
        "rows_remaining": sum(int(str(record.data["remaining"])) for record in records),
        "results": dg.MetadataValue.table(records),
    }
    if failed:
        raise dg.Failure(f"{failed} of {len(records)} replays failed", metadata=metadata, allow_retries=False)
    return dg.Output(None, metadata=metadata)


def _streams(job: Job, name: str | None) -> tuple[JobStream, ...]:
    if name is None:
        return job.streams
    try:
        return (job.stream(name),)
    except KeyError:
        known = ", ".join(s.name for s in job.streams)
        message = f"the job {job.name!r} has no stream {name!r}; it has: {known}"
        raise ConfigurationError(message, "NO_SUCH_STREAM") from None


def _replayed(context: dg.OpExecutionContext, job: Job, stream: JobStream, config: Replayed) -> dg.TableRecord:
    from dativo_dagster.pipeline.replay import replay

    try:
        done = replay(job, stream, by=f"dagster:{context.run_id}", dry_run=config.dry_run)
    except DativoError as error:
        return _line(job, stream, "failed", why=Redactor(job.secrets).text(f"{error.error_code}: {error.message}"))
    context.log.info("%s: %s rows landed in %s, %s stay", stream.name, done.landed, done.table, done.remaining)
    return _line(job, stream, done.status, landed=done.landed, remaining=done.remaining)


def _line(
    job: Job, stream: JobStream, outcome: str, *, landed: int = 0, remaining: int = 0, why: str = ""
) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "tenant": job.tenant,
            "job": job.name,
            "stream": stream.name,
            "outcome": outcome,
            "landed": landed,
            "remaining": remaining,
            "why": why,
            "failed": bool(why),
        }
    )


@dg.job(name="replay_quarantine", description="Let rows out of quarantine that the contract now takes, each once.")
def replay_quarantine() -> None:
    """Run the one step."""
    replay_op()
