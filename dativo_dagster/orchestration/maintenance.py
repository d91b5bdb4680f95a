"""The job ``maintain_tables``: looks after the tables of one YAML job, or of all; safe beside runs that go on."""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import dagster as dg

from dativo_dagster.config.job import Job, JobStream
from dativo_dagster.orchestration.failures import failure
from dativo_dagster.orchestration.resources import JobsResource
from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import DativoError


class Upkeep(dg.Config):
    """What to look after; ages in hours, and a chore without one is left out."""

    job: Optional[str] = None  # noqa: UP045 - Dagster evaluates the annotation, also on Python 3.10
    compact: bool = True
    branches_hours: Optional[float] = 7 * 24  # noqa: UP045 - as above
    expire_hours: Optional[float] = 7 * 24  # noqa: UP045 - as above
    orphans_hours: Optional[float] = 24  # noqa: UP045 - as above
    keep: int = 5
    dry_run: bool = False


@dg.op(name="maintenance", out=dg.Out(dg.Nothing))
def maintain_tables_op(context: dg.OpExecutionContext, config: Upkeep, jobs: JobsResource) -> dg.Output[None]:
    """Do the chores of every table of the chosen jobs; the step fails when one does, after all others."""
    try:
        chosen = jobs.chosen(config.job)
    except DativoError as error:
        raise failure(error) from error
    records = [_line("", p.path.name, "", "load", p.error.message, failed=True) for p in chosen.problems]
    for job in chosen.jobs:
        for stream in job.streams:
            for record in _looked_after(job, stream, config):
                context.log.info("%(tenant)s %(job)s %(stream)s: %(chore)s, %(outcome)s", dict(record.data))
                records.append(record)
    failed = sum(bool(record.data["failed"]) for record in records)
    metadata: dict[str, Any] = {"chores": len(records), "failed": failed}
    if records:
        metadata["results"] = dg.MetadataValue.table(records)
    if failed:
        raise dg.Failure(f"{failed} of {len(records)} chores failed", metadata=metadata, allow_retries=False)
    return dg.Output(None, metadata=metadata)


def _looked_after(job: Job, stream: JobStream, config: Upkeep) -> Iterator[dg.TableRecord]:
    from dativo_dagster.pipeline.maintain import Chores, maintain

    chores = Chores(
        compact=config.compact,
        branches=_age(config.branches_hours),
        expire=_age(config.expire_hours),
        orphans=_age(config.orphans_hours),
        keep=config.keep,
    )
    who = (job.tenant, job.name, stream.name)
    try:
        for done in maintain(job, stream, chores, now=datetime.now(timezone.utc), dry_run=config.dry_run):
            yield _line(*who, done.action, str(len(done.names) or done.reason or "nothing to do"))
    except DativoError as error:
        yield _line(*who, "failed", Redactor(job.secrets).text(f"{error.error_code}: {error.message}"), failed=True)


def _age(hours: float | None) -> timedelta | None:
    return None if hours is None else timedelta(hours=hours)


def _line(tenant: str, job: str, stream: str, chore: str, outcome: str, *, failed: bool = False) -> dg.TableRecord:
    return dg.TableRecord(
        {"tenant": tenant, "job": job, "stream": stream, "chore": chore, "outcome": outcome, "failed": failed}
    )


@dg.job(name="maintain_tables", description="Look after the tables of one job, or of all: files, snapshots, branches.")
def maintain_tables() -> None:
    """Run the one step."""
    maintain_tables_op()
