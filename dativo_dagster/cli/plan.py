"""``dativo plan``: what a run would read, write and change. Writes nothing, and deploys nothing unless told to."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_dagster.cli.console import counted, size
from dativo_dagster.cli.jobs import add_job_arguments, add_partition_arguments, parts_of, prepare, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dativo_dagster.cli.console import Console
    from dativo_dagster.config.job import Job, JobStream, Place
    from dativo_dagster.pipeline.plan import Plan
    from dativo_ingest.model import SchemaChange, Unit, Window

_UNITS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``plan`` takes."""
    add_job_arguments(parser)
    add_partition_arguments(parser)
    parser.add_argument(
        "--deploy", action="store_true", help="ask a source whose function is not there yet: it is deployed, and stays"
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def main(args: argparse.Namespace, console: Console) -> int:
    """Show the plan of each stream; 2 when a run would refuse one of them."""
    job = prepare(select(args).jobs[0], args, console)
    planned = [_planned(job, stream, args, console) for stream in parts_of(job, args)]
    if args.json:
        console.json({"job": job.name, "tenant": job.tenant, "streams": [_json(*each) for each in planned]})
    else:
        for each in planned:
            _show(*each, console)
    return 2 if any(_refused(plan) for _, plan, _ in planned) else 0


@dataclass(frozen=True)
class Unasked:
    """What is known of a stream whose source was not asked, since that would deploy it."""

    stream: JobStream
    changes: tuple[SchemaChange, ...]
    reason = "what its source has is known once it is deployed: a run does that, and so does this command with --deploy"
    window = token = None
    empty = False

    def to_json(self) -> dict[str, Any]:
        """Give what is known under the names that a plan has."""
        return {
            "stream": self.stream.name,
            "table": self.stream.target.table,
            "mode": self.stream.target.mode,
            "changes": [change.to_json() for change in self.changes],
            "reason": self.reason,
            "window": None,
            "deployed": False,
        }


def _planned(
    job: Job, stream: JobStream, args: argparse.Namespace, console: Console
) -> tuple[JobStream, Plan | Unasked, Mapping[str, Place]]:
    """Plan a stream; where that fails the error comes after the places that were asked."""
    from dativo_dagster.pipeline.assemble import SIDES, open_table, refused
    from dativo_dagster.pipeline.plugins import is_made, places
    from dativo_dagster.pipeline.run import plan_stream
    from dativo_ingest.exceptions import DativoError

    for side in SIDES:
        if error := refused(job, stream, side):
            raise error
    where = places(job, stream)
    try:
        if not args.deploy and not is_made(job, stream):
            return stream, Unasked(stream, tuple(open_table(job, stream).changes())), where
        return stream, plan_stream(job, stream), where
    except DativoError:
        for line in _places(stream, where):
            console.note(line.strip())
        raise


def _places(stream: JobStream, where: Mapping[str, Place]) -> Iterator[str]:
    for side, place in where.items():
        plugin = stream.source.plugin if side == "source" else stream.target.plugin
        yield f"  {side} {plugin} runs in {place.launcher}: {place.why}"
        if given := _given(place):
            yield f"    the job gives it {', '.join(given)}"


def _refused(plan: Plan | Unasked) -> list[SchemaChange]:
    return [] if plan.empty else [change for change in plan.changes if not change.allowed]


def _json(stream: JobStream, plan: Plan | Unasked, where: Mapping[str, Place]) -> dict[str, Any]:
    ran = {"places": {side: _place(place) for side, place in where.items()}} if where else {}
    part = {"partition": stream.slice.key} if stream.slice else {}
    return {**plan.to_json(), **part, **ran, "empty": plan.empty, "refused": bool(_refused(plan))}


def _given(place: Place) -> list[str]:
    from dativo_dagster.pipeline.plugins import openings

    return openings(place)


def _place(place: Place) -> dict[str, Any]:
    given = _given(place)
    return {"launcher": place.launcher, "why": place.why, **({"gives": given} if given else {})}


def _show(stream: JobStream, plan: Plan | Unasked, where: Mapping[str, Place], console: Console) -> None:
    name = f"{stream.name} {stream.slice.key}" if stream.slice else stream.name
    target = stream.target
    console.line(f"{console.style(name, 'bold')} -> {target.table} ({target.mode}): {plan.reason}")
    for line in _places(stream, where):
        console.line(line)
    if plan.empty:
        console.line("  nothing to read, nothing to write")
        return
    if plan.window:
        _show_window(plan.window, console)
    for change in plan.changes:
        console.line(f"  {_change(change, console)}")
    if plan.token:
        console.line(f"  commits as {plan.token}")


def _show_window(window: Window, console: Console) -> None:
    units = window.units
    known = [u.bytes for u in units if u.bytes is not None]
    total = f", {size(sum(known))}" if known or not units else ""
    if window.bounds:
        console.line("  window: " + ", ".join(f"{name} {text}" for name, text in window.bounds.items()))
    console.line(f"  reads {counted(len(units), 'unit')}{total}; skips {window.skipped:,} unchanged")
    console.table(("", ""), [(u.id, _estimate(u)) for u in units[:_UNITS]], indent=4)
    if len(units) > _UNITS:
        console.line(f"    and {len(units) - _UNITS:,} more; --json has all")


def _estimate(unit: Unit) -> str:
    known = [
        counted(unit.rows, "row") if unit.rows is not None else "",
        size(unit.bytes) if unit.bytes is not None else "",
    ]
    return ", ".join(filter(None, known))


def _change(change: SchemaChange, console: Console) -> str:
    types = " -> ".join(t for t in (change.before, change.after) if t)
    text = f"{change.kind} column {change.column}{f': {types}' if types else ''}"
    return text if change.allowed else f"{console.style('refused', 'red')}: {text}; `target.evolution` says no"
