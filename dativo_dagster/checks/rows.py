"""No row is lost, and there are as many as the contract says.

What was read is what was written and what was rejected, and the table took all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.model import CheckResult

if TYPE_CHECKING:
    from dativo_dagster.config.job import JobStream
    from dativo_ingest.model import Counts, Snapshot
    from dativo_ingest.result import StreamResult


def evaluate(result: StreamResult, stream: JobStream) -> tuple[CheckResult, ...]:
    """Compare the counts of the run with each other, with its snapshot, and with the bounds of the contract."""
    bounds = (stream.contract.minimum_rows, stream.contract.maximum_rows)
    return (_reconciled(result), *([_bounded(result, *bounds)] if bounds != (None, None) else []))


def _rewrites(result: StreamResult) -> bool:
    """Say whether a commit may write rows again that were there, so that its rows are not those of the run."""
    return result.mode in {"merge", "scd2"} or (result.partition is not None and result.mode != "append")


def _rewritten(counts: Counts, snapshot: Snapshot) -> CheckResult:
    return CheckResult(
        name="row_count",
        passed=counts.read == counts.written + counts.rejected,
        message=f"{counts.read:,} read = {counts.written:,} taken in + {counts.rejected:,} rejected; the snapshot put "
        f"{snapshot.rows:,} rows in place of {snapshot.replaced_rows:,}",
        details={**counts.to_json(), "added": snapshot.rows, "replaced": snapshot.replaced_rows},
    )


def _bounded(result: StreamResult, minimum: int | None, maximum: int | None) -> CheckResult:
    rows = result.counts.read
    low = [] if minimum is None else [(rows >= minimum, f"at least {minimum:,}")]
    high = [] if maximum is None else [(rows <= maximum, f"at most {maximum:,}")]
    passed, said = all(held for held, _ in low + high), " and ".join(text for _, text in low + high)
    return CheckResult(
        name="row_bounds",
        passed=passed or (rows == 0 and result.status in ("nothing_new", "already_committed")),
        message=f"{rows:,} rows, and the contract says {said}",
        details={"rows": rows, "minimum": minimum, "maximum": maximum},
    )


def _reconciled(result: StreamResult) -> CheckResult:
    counts, snapshot = result.counts, result.snapshot
    if snapshot is not None and _rewrites(result):
        return _rewritten(counts, snapshot)
    committed = snapshot.rows if snapshot is not None and result.status == "committed" else counts.written
    passed = counts.read == counts.written + counts.rejected and committed == counts.written
    return CheckResult(
        name="row_count",
        passed=passed,
        message=f"{counts.read:,} read = {counts.written:,} written + {counts.rejected:,} rejected, "
        f"{committed:,} in the snapshot",
        details={**counts.to_json(), "committed": committed},
    )
