"""The end of a run in a few lines, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dativo_dagster.cli.console import counted, duration, size
from dativo_dagster.pipeline.telling import advice, plugins_part
from dativo_ingest.worker.errors import TRACEBACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dativo_dagster.cli.console import Console
    from dativo_ingest.model import Usage
    from dativo_ingest.result import JobResult, StreamResult

_COLUMNS = ("stream", "status", ">read", ">written", ">rejected", ">files", ">size", "snapshot", ">time")
_SAID = {"nothing_new": "nothing new", "already_committed": "already there"}
_RULES = 5


def show_result(result: JobResult, console: Console, *, debug: bool = False) -> None:
    """Write what a run of a job did, stream by stream; with ``debug`` also the traceback of an error."""
    word, style = {0: ("ok", "green"), 1: ("rows rejected", "yellow")}.get(result.exit_code, ("failed", "red"))
    head = console.style(word, style)
    console.line(f"{console.style(result.job, 'bold')} ({result.tenant}): {head} in {duration(result.seconds)}")
    if not result.streams:
        console.line("  no partition is missing")
        return
    console.table(_COLUMNS, [_row(s) for s in result.streams], indent=2)
    for stream in result.streams:
        for text in _failure(stream.error, debug=debug) if stream.error else _remarks(stream):
            console.line(f"  {_name(stream)}: {text}")


def _name(stream: StreamResult) -> str:
    return stream.stream if stream.partition is None else f"{stream.stream} {stream.partition}"


def _row(stream: StreamResult) -> tuple[str, ...]:
    counts = stream.counts
    return (
        _name(stream),
        _SAID.get(stream.status, stream.status),
        f"{counts.read:,}",
        f"{counts.written:,}",
        f"{counts.rejected:,}",
        f"{stream.files:,}",
        size(stream.bytes),
        stream.snapshot.id if stream.snapshot else "-",
        duration(stream.seconds),
    )


def _failure(error: Mapping[str, Any], *, debug: bool) -> list[str]:
    message = error["message"].replace("\n", "\n    ")
    said = [f"{message} [{error['error_code']}]"]
    if unforeseen := error["details"].get("traceback"):
        hint = "not a mistake of yours that we know; run again with --debug for the traceback"
        return [*said, unforeseen if debug else hint]
    if todo := advice(error["error_code"], error["message"]):
        said.append(f"what to do: {todo}")
    if error["retryable"]:
        said.append("it may pass by itself: this command tries nothing twice, run it again")
    if debug and (told := plugins_part(str(error["details"].get(TRACEBACK, "")))):
        said.append(f"in the plugin:\n{told}")
    return said


def _bill(usage: Sequence[Usage]) -> str:
    """Say what was paid by use; a sum that lacks the price of a call is not shown."""
    prices = [each.usd for each in usage]
    known = [price for price in prices if price is not None]
    cost = f", about {sum(known):.6f} USD by list price" if len(known) == len(prices) else ""
    where = ", ".join(sorted({each.place for each in usage}))
    return f"{counted(len(usage), 'call')} of {where}, {sum(each.seconds for each in usage):.1f} s billed{cost}"


def _remarks(stream: StreamResult) -> list[str]:
    said = [stream.reason] if stream.status in _SAID else []
    for violation in stream.violations[:_RULES]:
        where = f", first {violation.sample[0]}" if violation.sample else ""
        said.append(f"{counted(violation.count, 'row')} broke {violation.rule}{where}")
    if len(stream.violations) > _RULES:
        said.append(f"and {len(stream.violations) - _RULES} more rules; --json has all")
    if stream.quarantine:
        said.append(f"rejected rows are in {stream.quarantine}")
    if stream.usage:
        said.append(_bill(stream.usage))
    said += [f"check {c.name} failed: {c.message}" for c in stream.checks if not c.passed]
    return said
