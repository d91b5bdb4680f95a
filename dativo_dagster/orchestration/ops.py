"""The three steps of a stream, shared by all assets that read and write through the same resources.

``plan`` decides, ``extract_write`` makes files that nobody sees yet, ``commit`` makes them visible. Only small JSON
passes between them. Each may run again by itself: a retried commit does not read the source again, and a commit that
had landed is recognised by its token.
"""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg

from dativo_dagster.config.job import Job, JobStream
from dativo_dagster.orchestration.checks import failed_checks
from dativo_dagster.orchestration.events import (
    bounds_metadata,
    check_evaluation,
    checks_metadata,
    checks_of,
    log_check,
    preview,
    result_metadata,
    speed,
)
from dativo_dagster.orchestration.failures import as_dagster
from dativo_dagster.orchestration.launcher import PLACES, UnitLauncher
from dativo_dagster.orchestration.naming import joined
from dativo_dagster.orchestration.partitions import slice_metadata, sliced
from dativo_dagster.orchestration.progress import ProgressLog
from dativo_dagster.orchestration.resources import stream_of
from dativo_dagster.orchestration.shelf import Keys
from dativo_dagster.orchestration.usage import places_metadata, usage_metadata
from dativo_dagster.owner import running
from dativo_dagster.pipeline.assemble import Openers
from dativo_ingest.exceptions import ConfigurationError, ValidationError
from dativo_ingest.model import CheckResult
from dativo_ingest.result import StreamResult

PREVIEW_ROWS = 5
PLAN, EXTRACT_WRITE, COMMIT = "plan", "extract_write", "commit"
SESSION = "session"


@dataclass(frozen=True)
class Step:
    """What an op works with: the stream that it runs for, and the resources that open its reader and its table.

    ``session`` names the snapshot that the stream shares with others; empty when it shares none.
    """

    context: dg.OpExecutionContext
    job: Job
    stream: JobStream
    openers: Openers
    session: str = ""


@cache
def steps(keys: Keys) -> tuple[dg.OpDefinition, dg.OpDefinition, dg.OpDefinition]:
    """Give ``plan``, ``extract_write`` and ``commit`` for streams that go through these resources.

    An op names the resources that it needs in its definition, and no two definitions may have one name: so each pair
    of resources has ops of its own, to which `assets` gives their short names. All three need both, because the UI
    tells from the last one which assets use a resource.
    """
    source = dg.In(dg.Nothing, description="The system that is read.")
    planned = dg.Out(dict, description="The plan: window, units and commit token.")
    staged = dg.Out(dict, description="What a commit needs: the files, the counts and the cursor.")
    table = dg.Out(dg.Nothing, description="The table, with the new snapshot in it.")
    return (
        _op(keys, PLAN, plan, planned, source=source),
        _op(keys, EXTRACT_WRITE, extract_write, staged, plan=dg.In(dict)),
        _op(keys, COMMIT, commit, table, plan=dg.In(dict), staged=dg.In(dict)),
    )


def _op(keys: Keys, name: str, body: Callable[..., dg.Output[Any]], out: dg.Out, **ins: dg.In) -> dg.OpDefinition:
    def compute(context: dg.OpExecutionContext, **values: Any) -> dg.Output[Any]:
        reader, writer = (getattr(context.resources, key) for key in keys)
        openers = Openers(reader=reader.reader, table=writer.table)
        job, stream = stream_of(context.assets_def, context.asset_key, context.run_id)
        with as_dagster(context, job.retry, job.secrets), running(context.run_id, context.retry_number + 1):
            if isinstance(launcher := context.step_launcher, UnitLauncher):
                job = launcher.deployed(job)
            return body(Step(context, job, sliced(context, stream), openers, reader.session(stream)), **values)

    needed = {*keys, PLACES}
    made = dg.op(name=joined(name, *keys), description=body.__doc__, ins=ins, out=out, required_resource_keys=needed)
    return made(compute)


def plan(step: Step) -> dg.Output[dict[str, Any]]:
    """Look at the source and the table and decide what this run reads. Writes nothing."""
    from dativo_dagster.pipeline.run import plan_stream

    decided = plan_stream(step.job, step.stream, step.openers)
    step.context.log.info("%s: %s", decided.table, decided.reason)
    return dg.Output(
        {**decided.to_json(), SESSION: step.session},
        metadata={
            "reason": decided.reason,
            **places_metadata(step.job, step.stream),
            **slice_metadata(step.stream.slice),
            "units": len(decided.window.units),
            "units_unchanged": decided.window.skipped,
            "bytes_to_read": sum(unit.bytes or 0 for unit in decided.window.units),
            "token": decided.token,
            "schema_changes": dg.MetadataValue.json([change.to_json() for change in decided.changes]),
        },
    )


def extract_write(step: Step, plan: dict[str, Any]) -> dg.Output[dict[str, Any]]:
    """Read, validate and write the units of the plan. The files are not visible yet; a failure removes them.

    But for a failure that is followed by a retry: that one finds the units that are finished, and reads the others.
    """
    from dativo_dagster.pipeline.ledger import Attempt
    from dativo_dagster.pipeline.plan import Plan
    from dativo_dagster.pipeline.run import extract_write as stage

    _in_one_session(step, plan)
    started, run_id = time.monotonic(), step.context.run_id
    retries, decided = step.context.retry_number, Plan.from_json(plan)
    attempt = Attempt(retries + 1, last=retries >= step.job.retry.max_retries)
    report = ProgressLog(step.context.log.info)
    with _broken_rules_shown(step.context, step.stream):
        staged = stage(step.job, step.stream, decided, step.openers, run_id=run_id, attempt=attempt, report=report)
    seconds = time.monotonic() - started
    rate = speed(staged.counts.bytes_read, seconds)
    return dg.Output(
        {"staged": staged.to_json(), "seconds": seconds},
        metadata={
            "rows_read": staged.counts.read,
            "rows_written": staged.counts.written,
            "rows_rejected": staged.counts.rejected,
            "files": len(staged.files),
            "seconds": round(seconds, 3),
            **({} if rate is None else {"mb_per_second": rate}),
        },
    )


def _in_one_session(step: Step, plan: dict[str, Any]) -> None:
    """Refuse to read in another snapshot than the one that the streams of the run were planned in.

    Raises:
        ConfigurationError: ``SNAPSHOT_NOT_SHARED``.
    """
    if plan.get(SESSION, "") != step.session:
        raise ConfigurationError(
            f"stream {step.stream.name!r}: `snapshot: job` holds within one process and one run, and this step is not "
            "in those of its plan. Let the in-process executor run the job, and run it again from its beginning",
            "SNAPSHOT_NOT_SHARED",
        )


@contextmanager
def _broken_rules_shown(context: dg.OpExecutionContext, stream: JobStream) -> Iterator[None]:
    """Evaluate the asset checks of a run that breaks its contract: its check step is never reached."""
    try:
        yield
    except ValidationError as error:
        for check in failed_checks(stream, error):
            log_check(context, check_evaluation(context.asset_key, check, stream.contract))
        raise


def commit(step: Step, plan: dict[str, Any], staged: dict[str, Any]) -> dg.Output[None]:
    """Make the files, the cursor and the token visible in one atomic step, exactly once.

    A run that finds nothing new materializes the asset all the same, with status ``nothing_new`` and no rows: it
    has confirmed that the table is up to date, which is what freshness asks.
    """
    from dativo_dagster.pipeline.plan import Plan
    from dativo_dagster.pipeline.run import commit as finish
    from dativo_ingest.model import Staged

    started, decided = time.monotonic() - staged["seconds"], Plan.from_json(plan)
    made = Staged.from_json(staged["staged"])
    result = finish(step.job, step.stream, decided, made, step.openers, started=started)
    files = f"{result.files:,} file{'' if result.files == 1 else 's'}"
    step.context.log.info("%s: %s, %s rows in %s", result.table, result.status, f"{result.counts.written:,}", files)
    checks = _last_checks(step, result) if decided.empty else result.checks
    part = slice_metadata(step.stream.slice)
    bounds = {} if part else bounds_metadata(result)
    metadata = {
        **result_metadata(result),
        **bounds,
        **part,
        **places_metadata(step.job, step.stream),
        **usage_metadata(result.usage),
        **_first_rows(step, result),
        "checks": checks_metadata(checks),
    }
    return dg.Output(None, metadata=metadata)


def _first_rows(step: Step, result: StreamResult) -> dict[str, Any]:
    if result.status != "committed" or not result.counts.written:
        return {}
    rows = step.openers.table(step.job, step.stream).preview(PREVIEW_ROWS)
    return {"first_rows": dg.MetadataValue.md(preview(rows, step.stream.contract))}


def _last_checks(step: Step, result: StreamResult) -> tuple[CheckResult, ...]:
    """Give the outcomes of the last run (of this partition) that had a window: one without proves nothing."""
    keys = [step.stream.slice.key] if step.stream.slice else None
    records = dg.AssetRecordsFilter(asset_key=step.context.asset_key, asset_partitions=keys)
    found = step.context.instance.fetch_materializations(records, limit=1).records
    last = found[0].asset_materialization if found else None
    return (checks_of(last.metadata) if last else ()) or result.checks
