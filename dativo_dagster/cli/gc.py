"""``dativo gc``: files of ours that no commit names, left by runs that were killed."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dativo_dagster.cli.console import counted, size
from dativo_dagster.cli.jobs import add_job_arguments, prepare, select, streams_of

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``gc`` takes."""
    add_job_arguments(parser)
    parser.add_argument(
        "--older-than",
        type=age,
        default="24h",
        metavar="AGE",
        help="leave younger files alone, a run may still be writing them: 90m, 24h, 7d (%(default)s)",
    )
    parser.add_argument("--delete", action="store_true", help="delete them; without it they are only listed")
    parser.add_argument("--json", action="store_true", help="print the files as JSON")


def age(text: str) -> timedelta:
    """Read a time span such as ``24h``.

    Raises:
        ArgumentTypeError: It is none.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age; write a number and s, m, h or d, such as 24h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def main(args: argparse.Namespace, console: Console) -> int:
    """List or delete the files."""
    from dativo_dagster.pipeline.maintain import collect_garbage

    job = prepare(select(args).jobs[0], args, console)
    before = datetime.now(timezone.utc) - args.older_than
    streams = streams_of(job, args.stream)
    found = {s.name: collect_garbage(job, s, older_than=before, delete=args.delete) for s in streams}
    files = [(name, file) for name, orphans in found.items() for file in orphans]
    total = sum(file.bytes for _, file in files)
    if args.json:
        listed = [{"stream": name, "path": file.path, "bytes": file.bytes} for name, file in files]
        console.json({"files": listed, "count": len(files), "bytes": total, "deleted": args.delete})
        return 0
    if files:
        console.table(("stream", "file", ">size"), [(name, file.path, size(file.bytes)) for name, file in files])
    done = "deleted" if args.delete else "found; --delete deletes them" if files else "found"
    console.line(f"{counted(len(files), 'file')}, {size(total)}, {done}")
    return 0
