"""One outcome a promise of the contract: its types, and each of its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.model import CheckResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import JobStream
    from dativo_ingest.model import Violation
    from dativo_ingest.result import StreamResult


def evaluate(result: StreamResult, stream: JobStream) -> tuple[CheckResult, ...]:
    """Say of every rule how many rows of the run broke it."""
    severity = "error" if stream.validation.mode == "strict" else "warn"
    rules = [rule.id for rule in stream.contract.rules]
    broken = {v.rule: v for v in result.violations}
    types = [v for v in result.violations if v.rule not in rules]
    return (
        _outcome("types", types, result.counts.read, severity),
        *(_outcome(r, [broken[r]] if r in broken else [], result.counts.read, severity) for r in rules),
    )


def _outcome(name: str, violations: Sequence[Violation], rows: int, severity: str) -> CheckResult:
    count = sum(v.count for v in violations)
    return CheckResult(
        name=name,
        passed=not count,
        severity=severity,
        message=f"{count:,} of {rows:,} rows broke it" if count else f"kept by all {rows:,} rows",
        details={"rows": rows, "violations": count, "sample": [place for v in violations for place in v.sample][:10]},
    )
