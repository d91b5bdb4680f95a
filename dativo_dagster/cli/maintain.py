"""``dativo maintain``: small files, left branches, old snapshots and orphans of the tables that a job writes."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dativo_dagster.cli.console import counted, size
from dativo_dagster.cli.gc import age
from dativo_dagster.cli.jobs import add_job_arguments, prepare, select, streams_of

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console
    from dativo_dagster.pipeline.maintain import Chores
    from dativo_ingest.model import Upkeep

WHAT = {"compact": "file", "branches": "branch", "expire": "snapshot", "orphans": "file"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``maintain`` takes."""
    add_job_arguments(parser)
    chores = parser.add_argument_group("chores", "All of them when none is named. An AGE is 90m, 24h or 7d.")
    chores.add_argument("--compact", action="store_true", help="put small files of a partition together")
    for name, default, text in (
        ("branches", "7d", "drop audited commits that nobody published"),
        ("expire", "7d", "forget snapshots, but for the last ones"),
        ("orphans", "24h", "delete files that no commit names"),
    ):
        chores.add_argument(
            f"--{name}", type=age, nargs="?", const=age(default), metavar="AGE", help=f"{text}; older than {default}"
        )
    chores.add_argument(
        "--keep", type=int, default=5, metavar="N", help="snapshots that stay, however old (%(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def main(args: argparse.Namespace, console: Console) -> int:
    """Look after the tables of a job."""
    from dativo_dagster.pipeline.maintain import maintain

    job, now, chores = prepare(select(args).jobs[0], args, console), datetime.now(timezone.utc), _chores(args)
    done = [
        (stream.name, upkeep)
        for stream in streams_of(job, args.stream)
        for upkeep in maintain(job, stream, chores, now=now, dry_run=args.dry_run)
    ]
    if args.json:
        console.json({"done": [{"stream": name, **u.to_json()} for name, u in done], "dry_run": args.dry_run})
        return 0
    console.table(("stream", "chore", "outcome"), [(name, u.action, outcome(u)) for name, u in done])
    if args.dry_run:
        console.line("nothing was done; leave --dry-run out to do it")
    return 0


def outcome(upkeep: Upkeep) -> str:
    """Say what a chore did."""
    if not upkeep.names:
        return upkeep.reason or "nothing to do"
    left = counted(len(upkeep.names), WHAT[upkeep.action])
    room = f", {size(upkeep.bytes)}" if upkeep.bytes else ""
    return f"{left}{room}" + (f", now in {upkeep.made}" if upkeep.made else "")


def _chores(args: argparse.Namespace) -> Chores:
    from dataclasses import replace

    from dativo_dagster.pipeline.maintain import ALL, Chores

    said = Chores(
        compact=args.compact, branches=args.branches, expire=args.expire, orphans=args.orphans, keep=args.keep
    )
    return said if said != Chores(keep=args.keep) else replace(ALL, keep=args.keep)
