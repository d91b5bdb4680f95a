"""Asset checks from contracts: one check step a stream, which also runs by itself from the UI.

After a commit the step repeats what the run found. Alone it reads the table as it stands and validates it again.
"""

# Without postponed annotations: Dagster wants the type of `context`, not its name.
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from dativo_dagster.config.contract import Contract
from dativo_dagster.config.job import Job, JobStream
from dativo_dagster.orchestration.events import check_result, checks_of, promise
from dativo_dagster.orchestration.failures import as_dagster
from dativo_dagster.orchestration.naming import asset_key, check_name, joined
from dativo_dagster.orchestration.resources import stream_of
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import CheckResult

FIXED = {
    "schema": "The table has the columns of the contract, with their types.",
    "row_count": "No row is lost: rows read = rows written + rows rejected, and the snapshot has them all.",
    "types": "Every value is of the type that the contract gives its column.",
}
BOUNDS = "A run reads as many rows as the contract says."


def described_checks(contract: Contract) -> Mapping[str, str]:
    """Give the checks of a contract by name, each with its description; known before anything ran."""
    bounds = {} if contract.minimum_rows is contract.maximum_rows is None else {"row_bounds": BOUNDS}
    return FIXED | bounds | {check_name(rule.id): f"Column {rule.column}: {promise(rule)}." for rule in contract.rules}


def stream_checks(job: Job, stream: JobStream, assets: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    """Make the check step of a stream."""
    key = asset_key(job, stream)
    specs = [
        dg.AssetCheckSpec(name, asset=key, description=text) for name, text in described_checks(stream.contract).items()
    ]

    @dg.multi_asset_check(name=joined("checks", *key.path), specs=specs, can_subset=True)
    def step(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        job, stream = stream_of(assets, key, context.run.run_id)
        with as_dagster(context, job.retry, job.secrets):
            outcomes = _of_this_run(context, key) or _of_the_table(job, stream)
        wanted = {check.name for check in context.selected_asset_check_keys}
        for outcome in outcomes:
            if check_name(outcome.name) in wanted:
                yield check_result(key, outcome, stream.contract)

    return step


def _of_this_run(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> tuple[CheckResult, ...]:
    """Give what this run found at its commit; nothing when the step runs alone.

    The run's own events tell: the asset's last one may be of another partition, whose run goes on beside this one.
    """
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    for record in reversed(context.instance.get_records_for_run(context.run.run_id, of_type=kind).records):
        made = record.event_log_entry.asset_materialization
        if made and made.asset_key == key:
            return checks_of(made.metadata)
    return ()


def _of_the_table(job: Job, stream: JobStream) -> tuple[CheckResult, ...]:
    from dativo_dagster.pipeline.look import evaluate

    return evaluate(job, stream).checks


def failed_checks(stream: JobStream, error: ValidationError) -> Sequence[CheckResult]:
    """Give the checks of a run that failed for its data: types and rules. It left the table alone."""
    if "violations" not in error.details:
        return ()
    from dativo_dagster.pipeline.checked import with_checks
    from dativo_ingest.model import Counts, Violation
    from dativo_ingest.result import StreamResult

    result = StreamResult(
        job="",
        tenant="",
        stream=stream.name,
        table=stream.target.table,
        status="failed",
        counts=Counts.from_json(error.details.get("counts", {})),
        violations=tuple(Violation.from_json(v) for v in error.details["violations"]),
    )
    about_the_table = ("schema", "row_count", "row_bounds")
    return [check for check in with_checks(stream, result).checks if check.name not in about_the_table]
