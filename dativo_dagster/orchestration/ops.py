"""The three steps of a stream, shared by all assets.

``plan`` decides, ``extract_write`` makes files that nobody sees yet, ``commit`` makes them visible. Only small JSON
passes between them. Each may run again by itself: a retried commit does not read the source again, and a commit that
had landed is recognised by its token.
"""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import dagster as dg

from dativo_dagster.config.job import Job, JobStream
from dativo_dagster.orchestration.checks import failed_checks
from dativo_dagster.orchestration.events import (
    check_evaluation,
    checks_metadata,
    checks_of,
    log_check,
    preview,
    result_metadata,
    speed,
)
from dativo_dagster.orchestration.failures import as_dagster
from dativo_dagster.orchestration.naming import joined
from dativo_dagster.orchestration.progress import ProgressLog
from dativo_dagster.orchestration.resources import stream_of
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import CheckResult
from dativo_ingest.result import StreamResult

PREVIEW_ROWS = 5
PLAN, EXTRACT_WRITE, COMMIT = "plan", "extract_write", "commit"


@cache
def steps(reader: str, writer: str) -> tuple[dg.OpDefinition, ...]:
    """Give the three ops that go through these two resources, in the order of `STEPS`.

    Dagster wants the required resources of an op in its definition and one name for one definition, so each pair of
    resources has ops of its own; `assets` gives them their short names. All three need both: the asset's own op is the
    last one, and by that the UI tells which assets use a resource.
    """
    return (
        dg.op(
            name=joined(PLAN, reader, writer),
            ins={"source": dg.In(dg.Nothing, description="The system that is read.")},
            out=dg.Out(dict, description="The plan: window, units and commit token."),
            required_resource_keys={reader, writer},
        )(_plan),
        dg.op(
            name=joined(EXTRACT_WRITE, reader, writer),
            out=dg.Out(dict, description="What a commit needs: the files, the counts and the cursor."),
            required_resource_keys={reader, writer},
        )(_extract_write),
        dg.op(
            name=joined(COMMIT, reader, writer),
            out=dg.Out(dg.Nothing, description="The table, with the new snapshot in it."),
            required_resource_keys={reader, writer},
        )(_commit),
    )


def _plan(context: dg.OpExecutionContext) -> dg.Output[dict[str, Any]]:
    """Look at the source and the table and decide what this run reads. Writes nothing."""
    from dativo_dagster.pipeline.run import plan_stream

    job, stream = _opened(context)
    with as_dagster(context, job.retry):
        decided = plan_stream(job, stream)
    context.log.info("%s: %s", decided.table, decided.reason)
    return dg.Output(
        decided.to_json(),
        metadata={
            "reason": decided.reason,
            "units": len(decided.window.units),
            "units_unchanged": decided.window.skipped,
            "bytes_to_read": sum(unit.bytes or 0 for unit in decided.window.units),
            "token": decided.token,
            "schema_changes": dg.MetadataValue.json([change.to_json() for change in decided.changes]),
        },
    )


def _extract_write(context: dg.OpExecutionContext, plan: dict[str, Any]) -> dg.Output[dict[str, Any]]:
    """Read, validate and write the units of the plan. The files are not visible yet; a failure removes them."""
    from dativo_dagster.pipeline.plan import Plan
    from dativo_dagster.pipeline.run import extract_write as stage

    job, stream = _opened(context)
    started = time.monotonic()
    with as_dagster(context, job.retry), _broken_rules_shown(context, stream):
        report = ProgressLog(context.log.info)
        staged = stage(job, stream, Plan.from_json(plan), run_id=context.run_id, report=report)
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


def _opened(context: dg.OpExecutionContext) -> tuple[Job, JobStream]:
    return stream_of(context.assets_def, context.asset_key, context.run_id)


@contextmanager
def _broken_rules_shown(context: dg.OpExecutionContext, stream: JobStream) -> Iterator[None]:
    """Evaluate the asset checks of a run that breaks its contract: its check step is never reached."""
    try:
        yield
    except ValidationError as error:
        for check in failed_checks(stream, error):
            log_check(context, check_evaluation(context.asset_key, check, stream.contract))
        raise


def _commit(context: dg.OpExecutionContext, plan: dict[str, Any], staged: dict[str, Any]) -> dg.Output[None]:
    """Make the files, the cursor and the token visible in one atomic step, exactly once.

    A run that finds nothing new materializes the asset all the same, with status ``nothing_new`` and no rows: it
    has confirmed that the table is up to date, which is what freshness asks.
    """
    from dativo_dagster.pipeline.plan import Plan
    from dativo_dagster.pipeline.run import commit as finish
    from dativo_ingest.model import Staged

    job, stream = _opened(context)
    started, decided = time.monotonic() - staged["seconds"], Plan.from_json(plan)
    with as_dagster(context, job.retry):
        result = finish(job, stream, decided, Staged.from_json(staged["staged"]), started=started)
        first_rows = _first_rows(job, stream, result)
    context.log.info("%s: %s, %s rows in %s files", result.table, result.status, result.counts.written, result.files)
    checks = _last_checks(context, result) if decided.empty else result.checks
    metadata = {**result_metadata(result), **first_rows, "checks": checks_metadata(checks)}
    return dg.Output(None, metadata=metadata)


def _first_rows(job: Job, stream: JobStream, result: StreamResult) -> dict[str, Any]:
    if result.status != "committed" or not result.counts.written:
        return {}
    from dativo_dagster.pipeline.assemble import open_table

    return {"first_rows": dg.MetadataValue.md(preview(open_table(job, stream).preview(PREVIEW_ROWS), stream.contract))}


def _last_checks(context: dg.OpExecutionContext, result: StreamResult) -> tuple[CheckResult, ...]:
    """Give the outcomes of the last run that had a window: one without proves nothing about the table."""
    event = context.instance.get_latest_materialization_event(context.asset_key)
    last = event.asset_materialization if event else None
    return (checks_of(last.metadata) if last else ()) or result.checks
