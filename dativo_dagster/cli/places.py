"""``dativo places``: where plugins can run, and what earlier runs left there."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.cli.console import counted, size
from dativo_dagster.cli.gc import age
from dativo_dagster.cli.jobs import add_secret_arguments, is_named, jobs_folder, named, prepare
from dativo_dagster.config.job import MODES

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job
    from dativo_dagster.pipeline.places import Tidying
    from dativo_ingest.exceptions import DativoError
    from dativo_ingest.model import Leftover

_USABLE = {True: "yes", False: "no", None: "not known"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs, each with what it takes."""
    verbs = parser.add_subparsers(metavar="VERB", title="verbs", dest="verb", required=True)
    listed = verbs.add_parser("list", help="say which places there are, and whether they can be used here")
    tidied = verbs.add_parser(
        "gc",
        help="remove containers, functions and packages that nobody uses any more",
        description="Remove what nobody uses any more. An engine or an account is asked for all that dativo made "
        "there, whichever job it was: a JOB says which places are asked, and no more. Look with --dry-run first.",
    )
    for verb in (listed, tidied):
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        verb.add_argument("--json", action="store_true", help="print the outcome as JSON")
    tidied.add_argument(
        "--older-than", type=age, default="7d", metavar="AGE", help="leave what was used since: 90m, 24h (%(default)s)"
    )
    tidied.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    tidied.add_argument("--place", metavar="NAME", help="only this place")
    which = tidied.add_mutually_exclusive_group()
    which.add_argument(
        "job",
        nargs="?",
        metavar="JOB",
        help="whose places are asked: a job file, a folder of jobs, or the name of a job ($DATIVO_JOBS, else the "
        "folder jobs)",
    )
    which.add_argument("--config", metavar="JOB", help="the same, as an option")
    tidied.add_argument("--mode", choices=MODES, default=MODES[0], help="what the jobs are run with")
    add_secret_arguments(tidied)


def main(args: argparse.Namespace, console: Console) -> int:
    """Do what the verb says."""
    return _list(args, console) if args.verb == "list" else _gc(args, console)


def _list(args: argparse.Namespace, console: Console) -> int:
    from dativo_dagster.pipeline.places import known_places

    found = list(known_places())
    if args.json:
        console.json({"places": [facts.to_json() for facts in found]})
        return 0
    rows = [(p.name, _USABLE[p.usable], p.extra or "", p.summary, p.why) for p in found]
    console.table(("place", "usable", "extra", "what it is", "why"), rows)
    return 0


def _gc(args: argparse.Namespace, console: Console) -> int:
    from dativo_dagster.pipeline.places import tidied_places, tidy_all

    before = datetime.now(timezone.utc) - args.older_than
    jobs, broken = _jobs(args, console)
    chosen = tidied_places(jobs, args.place, machine=_which(args) is None)
    done = list(tidy_all(chosen, older_than=before, dry_run=args.dry_run))
    if args.json:
        problems = [error.to_dict() for error in broken]
        console.json({"done": [each.to_json() for each in done], "problems": problems, "dry_run": args.dry_run})
    else:
        _show(done, broken, args, console)
    return 2 if broken or any(each.error for each in done) else 0


def _show(done: list[Tidying], broken: list[DativoError], args: argparse.Namespace, console: Console) -> None:
    rows = [(each.place, *_cells(left)) for each in done if (left := each.leftover)]
    if rows:
        console.table(("place", "kind", "name", "whose", "since", ">size", "why"), rows)
    for each in done:
        if each.error:
            console.note(f"{each.place}{f' {each.leftover.name}' if each.leftover else ''}: {each.error}")
    for error in broken:
        console.note(error.message)
    if args.dry_run:
        console.line(f"{counted(len(rows), 'thing')} found; leave --dry-run out to remove them")
    else:
        console.line(f"{counted(sum(each.removed for each in done), 'thing')} removed")


def _cells(left: Leftover) -> tuple[str, ...]:
    large = size(left.bytes) if left.bytes else "-"
    return left.kind, left.name, left.owner, left.since[:16], large, left.why


def _which(args: argparse.Namespace) -> str | None:
    said: str | None = args.job or args.config
    return said


def _jobs(args: argparse.Namespace, console: Console) -> tuple[list[Job], list[DativoError]]:
    """Load the jobs as a run does, since a place may be reached with a secret; those that cannot be are told."""
    from dativo_dagster.config.load import load_folder

    said = _which(args)
    path = Path(said or jobs_folder())
    if said is None and not path.exists():
        return [], []
    folder = load_folder(named(said).path if said and is_named(said) else path)
    found = [_loaded(job, args, console) for job in folder.jobs]
    broken = [problem.error for problem in folder.problems]
    broken += [each for each in found if isinstance(each, Exception)]
    return [each for each in found if each is not None and not isinstance(each, Exception)], broken


def _loaded(job: Job, args: argparse.Namespace, console: Console) -> Job | DativoError | None:
    """Load a job that has a plugin, or give what is wrong with it."""
    from dativo_dagster.pipeline.plugins import places
    from dativo_ingest.exceptions import DativoError

    try:
        return prepare(job, args, console) if any(places(job, stream) for stream in job.streams) else None
    except DativoError as error:
        return error
