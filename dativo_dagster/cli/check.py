"""``dativo check``: try to reach the source and the target of a job."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from dativo_dagster.cli.jobs import add_job_arguments, prepare, select, streams_of
from dativo_dagster.telemetry import event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dativo_dagster.cli.console import Console
    from dativo_ingest.model import CheckResult

logger = logging.getLogger(__name__)
SIDES = ("source", "target")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``check`` takes."""
    add_job_arguments(parser)
    parser.add_argument("--json", action="store_true", help='print {"source": ..., "target": ...}')
    parser.add_argument("--verbose", action="store_true", help="log everything to stderr")


def main(args: argparse.Namespace, console: Console) -> int:
    """Check both sides of each stream; 0 when all can be reached, else 2."""
    from dativo_dagster.pipeline.look import check_connection

    job = prepare(select(args).jobs[0], args, console)
    who: dict[str, Any] = {"job_name": job.name, "tenant_id": job.tenant}
    event(logger, "check_started", f"job {job.name}", **who)
    answer = {}
    for side in SIDES:
        found = {s.name: check_connection(job, s, side) for s in streams_of(job, args.stream)}
        answer[side] = one_side(found)
        event(logger, f"{side}_check_{answer[side]['status']}", answer[side]["message"], **who)
    passed = all(said["success"] for said in answer.values())
    event(logger, "check_complete" if passed else "check_failed", f"job {job.name}", **who)
    if args.json:
        console.json(answer)
    else:
        console.table(("side", "status", "message"), [(s, a["status"], _said(a)) for s, a in answer.items()])
    return 0 if passed else 2


def _said(side: Mapping[str, Any]) -> str:
    return f"{side['message']} [{side['error_code']}]" if side.get("error_code") else str(side["message"])


def one_side(found: Mapping[str, CheckResult]) -> dict[str, Any]:
    """Give what the streams of a job say of one side as the kept JSON shape; the first that failed speaks."""
    failed = {name: result for name, result in found.items() if not result.passed}
    result = next(iter((failed or found).values()))
    said: dict[str, Any] = {
        "status": "failed" if failed else "success",
        "message": "; ".join(dict.fromkeys(r.message for r in (failed or found).values())),
        "success": not failed,
    }
    if failed:
        said |= {"error_code": result.code, "retryable": all(r.retryable for r in failed.values())}
    details = {name: dict(r.details) for name, r in found.items() if r.details}
    return {**said, **({"details": details} if details else {})}
