"""What a run took in places that are paid by use, and where its plugins ran, in Dagster's words. Called by ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from dativo_dagster.pipeline.plugins import places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.model import Usage

LINES = 100
DIGITS = 8
"""Of a price in USD: a call of a small function costs less than a millionth."""


def usage_metadata(usage: Sequence[Usage]) -> dict[str, Any]:
    """Give the longest calls as a table, and the totals of all; empty where nothing is paid by use.

    The total in USD is left out as long as one price is not known: a part of it would be taken for all.
    """
    if not usage:
        return {}
    prices = [each.usd for each in usage]
    longest = sorted(usage, key=lambda each: -each.seconds)[:LINES]
    return {
        "usage": dg.MetadataValue.table([_record(each) for each in longest], _SCHEMA),
        "billed_calls": len(usage),
        "billed_seconds": round(sum(each.seconds for each in usage), 3),
        **({} if None in prices else {"estimated_usd": round(sum(filter(None, prices)), DIGITS)}),
    }


def places_metadata(job: Job, stream: JobStream) -> dict[str, str]:
    """Say of the plugins of a stream where they run, and why there."""
    roles = {"source": "reader", "target": "writer"}
    return {f"{roles[side]}_place": f"{where.launcher}: {where.why}" for side, where in places(job, stream).items()}


_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("place"),
        dg.TableColumn("verb"),
        dg.TableColumn("unit"),
        dg.TableColumn("attempt", "int"),
        dg.TableColumn("seconds", "float", "Those billed."),
        dg.TableColumn("memory_mb", "int", "What the plugin may use, which is what is billed."),
        dg.TableColumn("peak_mb", "int", "What it did use."),
        dg.TableColumn("usd", "float", "Estimated by list price."),
    ]
)


def _record(usage: Usage) -> dg.TableRecord:
    facts = usage.to_json()
    if usage.usd is not None:
        facts["usd"] = round(usage.usd, DIGITS)
    return dg.TableRecord({column.name: facts[column.name] for column in _SCHEMA.columns})
