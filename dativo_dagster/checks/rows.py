"""No row is lost: what was read is what was written and what was rejected, and the table took all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.model import CheckResult

if TYPE_CHECKING:
    from dativo_dagster.config.job import JobStream
    from dativo_ingest.result import StreamResult


def evaluate(result: StreamResult, stream: JobStream) -> tuple[CheckResult, ...]:  # noqa: ARG001 - one shape a shelf
    """Compare the counts of the run with each other and with its snapshot."""
    counts, snapshot = result.counts, result.snapshot
    committed = snapshot.rows if snapshot is not None and result.status == "committed" else counts.written
    passed = counts.read == counts.written + counts.rejected and committed == counts.written
    return (
        CheckResult(
            name="row_count",
            passed=passed,
            message=f"{counts.read:,} read = {counts.written:,} written + {counts.rejected:,} rejected, "
            f"{committed:,} in the snapshot",
            details={**counts.to_json(), "committed": committed},
        ),
    )
