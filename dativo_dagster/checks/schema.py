"""The table has the columns that the contract promises, with their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.model import CheckResult

if TYPE_CHECKING:
    from dativo_dagster.config.job import JobStream
    from dativo_ingest.result import StreamResult


def evaluate(result: StreamResult, stream: JobStream) -> tuple[CheckResult, ...]:
    """Look for every column of the contract in the table."""
    have = {c.name: c for c in result.columns}
    missing = [f.name for f in stream.contract.fields if f.name not in have]
    if not result.columns:
        message = "there is no table yet"
    elif missing:
        message = f"missing in the table: {', '.join(missing)}"
    else:
        message = "the table has all columns of the contract"
    return (
        CheckResult(
            name="schema",
            passed=not missing or not result.columns,
            message=message,
            details={"missing": missing, "columns": {c.name: c.type for c in result.columns}},
        ),
    )
