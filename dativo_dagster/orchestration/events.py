"""What happened, in Dagster's words: results become metadata and check results. Called by ops and checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg

from dativo_dagster.orchestration.naming import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dativo_dagster.config.contract import Contract, Rule
    from dativo_ingest.model import CheckResult, Column, Stream
    from dativo_ingest.result import StreamResult

SAMPLE = 10
PREVIEW_LETTERS = 60
OPEN_CLASSES = {None, "public", "internal"}
HIDDEN = "•••"


def result_metadata(result: StreamResult) -> dict[str, Any]:
    """Give the figures of a commit; every number gets a plot in the UI."""
    snapshot = result.snapshot
    facts: dict[str, Any] = {
        "status": result.status,
        "reason": result.reason,
        "rows_read": result.counts.read,
        "rows_written": result.counts.written,
        "rows_rejected": result.counts.rejected,
        "rows_nulled": result.counts.nulled,
        "files": result.files,
        "bytes": result.bytes,
        "units": result.units,
        "units_unchanged": result.skipped,
        "seconds": round(result.seconds, 3),
        "mb_per_second": speed(result.counts.bytes_read, result.seconds),
        "quarantine": dg.MetadataValue.path(result.quarantine) if result.quarantine else None,
    }
    if snapshot is not None:
        facts["snapshot"] = dg.MetadataValue.text(snapshot.id)
        facts["dagster/row_count"] = snapshot.total_rows
        facts["rows_replaced"] = snapshot.replaced_rows or None
        facts["location"] = dg.MetadataValue.path(snapshot.location) if snapshot.location else None
    return {name: value for name, value in facts.items() if value is not None and value != ""}


def bounds_metadata(result: StreamResult) -> dict[str, str]:
    """Say what lay in the window, as the reader tells it."""
    return {f"window_{name}": text for name, text in result.bounds.items()}


def speed(size: int, seconds: float) -> float | None:
    """Give megabytes a second, None when nothing is known of either."""
    return round(size / 1e6 / seconds, 2) if size and seconds > 0 else None


def check_metadata(check: CheckResult, hidden: Sequence[str] = ()) -> dict[str, Any]:
    """Give the details of a check, its bounded sample as a table.

    Args:
        check: The outcome.
        hidden: Columns whose values must not be shown.
    """
    facts = {k: v for k, v in check.details.items() if k != "sample" and not isinstance(v, (list, tuple, dict))}
    lists = {k: v for k, v in check.details.items() if k != "sample" and isinstance(v, (list, tuple, dict)) and v}
    sample = [str(place) for place in check.details.get("sample", ())][:SAMPLE]
    if check.code:
        facts["code"] = check.code
    if sample and not any(check.name.startswith(f"{column}_") for column in hidden):
        facts["sample"] = dg.MetadataValue.table([dg.TableRecord({"where": place}) for place in sample])
    return {**facts, **{k: dg.MetadataValue.json(v) for k, v in lists.items()}}


def promise(rule: Rule) -> str:
    """Say what a rule asks, in a few words."""
    facts = [f"{name.replace('_', ' ')} {value}" for name, value in rule.parameters.items() if value is not None]
    return ", ".join([rule.kind, *facts])


def check_result(key: dg.AssetKey, check: CheckResult, contract: Contract | None = None) -> dg.AssetCheckResult:
    """Give the outcome of a check as its step yields it."""
    return dg.AssetCheckResult(**_evaluation(key, check, contract))


def log_check(context: dg.OpExecutionContext, event: dg.AssetCheckEvaluation) -> None:
    """Log a check from a step that is not a check step. Dagster does that; its annotation does not say so."""
    context.log_event(event)  # type: ignore[arg-type]


def check_evaluation(key: dg.AssetKey, check: CheckResult, contract: Contract | None = None) -> dg.AssetCheckEvaluation:
    """Give the outcome of a check as an event of its own, for where no check step runs."""
    return dg.AssetCheckEvaluation(**_evaluation(key, check, contract))


def _evaluation(key: dg.AssetKey, check: CheckResult, contract: Contract | None) -> dict[str, Any]:
    return {
        "asset_key": key,
        "check_name": check_name(check.name),
        "passed": check.passed,
        "severity": dg.AssetCheckSeverity.WARN if check.severity == "warn" else dg.AssetCheckSeverity.ERROR,
        "description": check.message or None,
        "metadata": check_metadata(check, closed_columns(contract) if contract else ()),
    }


def closed_columns(contract: Contract) -> tuple[str, ...]:
    """Name the columns that the contract classifies, whose values stay out of Dagster's database."""
    return tuple(f.name for f in contract.fields if (f.classification or None) not in OPEN_CLASSES)


def preview(rows: Any, contract: Contract) -> str:
    """Give the first rows of an Arrow table as Markdown; values of classified columns are hidden."""
    hidden = closed_columns(contract)
    names = list(rows.column_names)
    lines = [[HIDDEN if name in hidden else row[name] for name in names] for row in rows.to_pylist()]
    return "\n".join([_line(names), _line(["---"] * len(names)), *map(_line, lines)])


def _line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(_cell(c) for c in cells) + " |"


def _cell(value: Any) -> str:
    text = (
        "NULL" if value is None else json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value)
    )
    text = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return text if len(text) <= PREVIEW_LETTERS else text[: PREVIEW_LETTERS - 1] + "…"


def streams_metadata(streams: Sequence[Stream]) -> dict[str, Any]:
    """Give what a source has as a table with one line a stream, and the columns of a single one."""
    records = [
        dg.TableRecord(
            {
                "stream": stream.name,
                "columns": len(stream.columns),
                "key": ", ".join(stream.primary_key),
                "cursor": stream.cursor_field or "",
                "description": stream.description,
            }
        )
        for stream in streams
    ]
    facts: dict[str, Any] = {"streams": len(streams)}
    if records:
        facts["found"] = dg.MetadataValue.table(records)
    if len(streams) == 1 and streams[0].columns:
        facts["dagster/column_schema"] = dg.TableSchema(columns=[_column(c) for c in streams[0].columns])
    return facts


def _column(column: Column) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=column.nullable)
    return dg.TableColumn(column.name, column.type, column.description or None, constraints)


def checks_metadata(checks: Sequence[CheckResult]) -> dg.MetadataValue:
    """Keep the outcomes of a run with its materialization, for the check step and for later ones."""
    return dg.MetadataValue.json([check.to_json() for check in checks])


def checks_of(metadata: Mapping[str, Any]) -> tuple[CheckResult, ...]:
    """Give back what `checks_metadata` kept; empty when there is nothing."""
    from dativo_ingest.model import CheckResult

    kept = metadata.get("checks")
    found: Any = kept.value if isinstance(kept, dg.JsonMetadataValue) else ()
    return tuple(CheckResult.from_json(check) for check in found)
