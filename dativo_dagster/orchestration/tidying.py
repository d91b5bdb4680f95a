"""The job ``tidy_places``: removes what the places of plugins keep and nobody uses; safe beside runs that go on."""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
from datetime import datetime, timedelta, timezone
from typing import Optional

import dagster as dg

from dativo_dagster.orchestration.failures import failure
from dativo_dagster.orchestration.resources import JobsResource
from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import DativoError


class Tidiness(dg.Config):
    """Which places to look at: those of one job or of all, of one name or of all."""

    job: Optional[str] = None  # noqa: UP045 - Dagster evaluates the annotation, also on Python 3.10
    place: Optional[str] = None  # noqa: UP045 - as above
    older_than_hours: float = 7 * 24
    dry_run: bool = False


@dg.op(name="tidying", out=dg.Out(dg.Nothing))
def tidy_places_op(context: dg.OpExecutionContext, config: Tidiness, jobs: JobsResource) -> dg.Output[None]:
    """Remove what is left over; the step fails where a place cannot be asked or a thing not be removed, after all."""
    from dativo_dagster.pipeline.places import tidied_places, tidy_all

    try:
        chosen = jobs.chosen(config.job)
        places = tidied_places(chosen.jobs, config.place)
    except DativoError as error:
        raise failure(error) from error
    before = datetime.now(timezone.utc) - timedelta(hours=config.older_than_hours)
    done = list(tidy_all(places, older_than=before, dry_run=config.dry_run))
    clean = Redactor(frozenset(secret for job in chosen.jobs for secret in job.secrets))
    errors = [clean.text(f"{each.place}: {each.error}") for each in done if each.error]
    errors += [problem.error.message for problem in chosen.problems]
    for each in done:
        if each.leftover:
            context.log.info("%s: %s %s: %s", each.place, each.leftover.kind, each.leftover.name, each.leftover.why)
    metadata = {"found": sum(each.leftover is not None for each in done), "removed": sum(e.removed for e in done)}
    if errors:
        raise dg.Failure("\n".join(errors), metadata=metadata, allow_retries=False)
    return dg.Output(None, metadata=metadata)


@dg.job(name="tidy_places", description="Remove what the places of plugins keep: containers, functions, packages.")
def tidy_places() -> None:
    """Run the one step."""
    tidy_places_op()
