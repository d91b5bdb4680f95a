"""``dativo state``: what tables remember of a job's streams, shown and changed; `pipeline.state` does the work."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dativo_dagster.cli.jobs import add_job_arguments, only_stream, prepare, select, streams_of, whoami
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.pipeline.state import Remembered, Who
    from dativo_ingest.model import StateChange

VERBS = {
    "show": "say how far each stream was read, by the table's own memory",
    "set": "put a cursor there: the next run starts from it",
    "reset": "take the cursor away: the next run reads all of the source",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs, each with what it takes."""
    verbs = parser.add_subparsers(metavar="VERB", title="verbs", dest="verb", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        add_job_arguments(verb)
        verb.add_argument("--json", action="store_true", help="print the result as JSON")
        if name == "show":
            verb.add_argument("--history", action="store_true", help="show who changed a state, when and why")
            continue
        verb.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit trail")
        verb.add_argument("--by", metavar="WHO", default=None, help="who; you at this machine when left out")
        if name == "set":
            what = verb.add_mutually_exclusive_group(required=True)
            what.add_argument("--cursor", metavar="VALUE_OR_JSON", help="a value of the cursor column, or all of it")
            what.add_argument("--from-file", action="store_true", help="what the file at `state_path` of a plugin has")
        else:
            verb.add_argument("--partition", metavar="KEY", help="of a partitioned stream: which part")
            verb.add_argument("--yes", action="store_true", help="yes, rows may be appended a second time")


def main(args: argparse.Namespace, console: Console) -> int:
    """Do what the verb says."""
    job = prepare(select(args).jobs[0], args, console)
    if args.verb == "show":
        return _show(job, args, console)
    stream = only_stream(job, args.stream)
    change = _set(job, stream, args) if args.verb == "set" else _reset(job, stream, args)
    if args.json:
        console.json(change.to_json())
    else:
        console.line(_told(change))
    return 0


def _who(args: argparse.Namespace) -> Who:
    from dativo_dagster.pipeline.state import Who

    return Who(by=args.by or whoami(), reason=args.reason)


def _set(job: Job, stream: JobStream, args: argparse.Namespace) -> StateChange:
    from dativo_dagster.pipeline.mirror import cursor_in
    from dativo_dagster.pipeline.state import cursor_of, set_cursor

    cursor = cursor_in(job, stream) if args.from_file else cursor_of(args.cursor, job, stream)
    return set_cursor(job, stream, cursor, _who(args))


def _reset(job: Job, stream: JobStream, args: argparse.Namespace) -> StateChange:
    from dativo_dagster.pipeline.state import appends_again, of_partition, reset

    stream = of_partition(stream, args.partition)
    if appends_again(stream) and not args.yes:
        raise ConfigurationError(
            f"stream {stream.name!r} appends: the next run reads all of the source again, and each row that is in "
            f"{stream.target.table} already comes in a second time. Say --yes if that is what you want",
            "NOT_CONFIRMED",
        )
    return reset(job, stream, _who(args))


def _told(change: StateChange) -> str:
    from dativo_dagster.pipeline.state import shown

    before = shown(change.before.cursor) if change.before else "nothing"
    after = shown(change.after.cursor) if change.after else "nothing"
    return f"{change.key}: {before} -> {after}"


def _show(job: Job, args: argparse.Namespace, console: Console) -> int:
    from dativo_dagster.pipeline.state import remembered

    found = [entry for stream in streams_of(job, args.stream) for entry in remembered(job, stream)]
    if args.json:
        console.json({"job": job.name, "tenant": job.tenant, "states": [entry.to_json() for entry in found]})
        return 0
    console.table(("stream", "part", "committed", "token", "cursor"), [_row(entry) for entry in found])
    if args.history:
        _history(found, console)
    return 0


def _row(entry: Remembered) -> tuple[str, ...]:
    from dativo_dagster.pipeline.state import shown

    if entry.state is None:
        return entry.stream, entry.part, "never", "", ""
    cursor = "" if entry.part == "replay" else shown(entry.state.cursor)
    return entry.stream, entry.part, entry.state.committed_at or "", entry.state.token[:12], cursor


def _history(found: list[Remembered], console: Console) -> None:
    from dativo_dagster.pipeline.state import shown

    rows = [
        (c.at, c.key, c.action, shown(c.after.cursor) if c.after else "", c.by, c.reason)
        for entry in found
        for c in entry.changes
    ]
    console.line()
    if not rows:
        console.line("nobody changed a state by hand")
        return
    console.table(("at", "key", "action", "cursor", "by", "reason"), rows)
