"""``dativo replay``: quarantined rows land in the table, once, when the contract or the rows have been mended."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.cli.console import counted
from dativo_dagster.cli.jobs import add_job_arguments, only_stream, prepare, select, streams_of, whoami

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job
    from dativo_dagster.pipeline.replay import ReplayResult

REJECTED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``replay`` takes."""
    add_job_arguments(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--export", metavar="FILE", type=Path, help="only write the rows to a file, to be mended")
    what.add_argument("--fixed", metavar="FILE", type=Path, help="take the rows of such a file, in place of those kept")
    parser.add_argument("--dry-run", action="store_true", help="only say what would come of it")
    parser.add_argument("--by", metavar="WHO", default=None, help="who; you at this machine when left out")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def main(args: argparse.Namespace, console: Console) -> int:
    """Replay each stream, or write its rows to a file; 1 when rows stay in quarantine."""
    job = prepare(select(args).jobs[0], args, console)
    if args.export:
        return _export(job, args, console)
    from dativo_dagster.pipeline.replay import replay
    from dativo_dagster.pipeline.replayfile import fixes

    mended = fixes(args.fixed) if args.fixed else None
    streams = (only_stream(job, args.stream),) if args.fixed else streams_of(job, args.stream)
    by = args.by or whoami()
    results = [replay(job, stream, by=by, fixes=mended, dry_run=args.dry_run) for stream in streams]
    if args.json:
        console.json({"job": job.name, "tenant": job.tenant, "streams": [result.to_json() for result in results]})
    else:
        for result in results:
            _show(result, console)
    return REJECTED if any(result.remaining for result in results) else 0


def _export(job: Job, args: argparse.Namespace, console: Console) -> int:
    from dativo_dagster.pipeline.replay import export

    stream = only_stream(job, args.stream)
    rows = export(job, stream, args.export)
    if args.json:
        console.json({"stream": stream.name, "file": str(args.export), "rows": rows})
    else:
        console.line(f"{counted(rows, 'row')} of {stream.name} written to {args.export}")
    return 0


def _show(result: ReplayResult, console: Console) -> None:
    from dativo_dagster.pipeline.units import describe

    name = console.style(result.stream, "bold")
    if result.finished:
        console.line(f"{name}: an earlier replay was cut short, and is complete now")
    if not result.examined:
        console.line(f"{name}: nothing is in quarantine")
        return
    lands, stay = ("would land", "would stay") if result.status == "dry_run" else ("landed", "stay")
    dropped = f", {counted(result.dropped, 'row')} dropped" if result.dropped else ""
    console.line(
        f"{name}: {counted(result.landed, 'row')} {lands} in {result.table}{dropped}, {result.remaining:,} {stay}"
    )
    if result.violations:
        console.line(describe(result.violations))
