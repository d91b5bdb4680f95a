"""What a run is going to do, decided before it does anything. Pure: no network, no clock, no Arrow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import BY_HAND, SchemaChange, Snapshot, State, Value, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import Job, JobStream


@dataclass(frozen=True, kw_only=True)
class Plan(Value):
    """The decision for one stream: which window, into which table, under which token.

    ``committed`` is the snapshot that already has the window, when there is one; ``known`` says that the table
    remembers the stream.
    """

    job: str
    tenant: str
    stream: str
    key: str
    token: str
    table: str
    mode: str
    window: Window
    changes: tuple[SchemaChange, ...] = ()
    committed: Snapshot | None = None
    known: bool = False
    reason: str = ""

    @property
    def empty(self) -> bool:
        """Say whether there is nothing to do: nothing to read, or all of it committed before."""
        return self.committed is not None or not self.window.units


def identity(job: Job, stream: JobStream, window: Window) -> str:
    """Name a window of a stream by its data.

    An append never repeats a window that is in the table, whatever else changed in the job. An overwrite does
    when the job would now write the same rows differently.
    """
    facts = [job.key(stream), window.fingerprint]
    if stream.target.mode != "append":
        facts.append(job.fingerprint(stream))
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:24]


def make_token(job: Job, stream: JobStream, window: Window, state: State | None) -> str:
    """Name the commit of a window; a crashed run that is repeated gets the same name.

    The token of an overwrite also names the commit it replaces: when the source goes from A to B and back to A,
    the second A is a commit of its own and not taken for the first. So does the first one after a person changed the
    state: what is read again on purpose is not taken for what was read before.

    Raises:
        PluginError: ``PLUGIN_BAD_ANSWER``, the window has no fingerprint, or two of its units have one id.
    """
    _can_be_named(stream, window)
    name = identity(job, stream, window)
    if state is None or (stream.target.mode == "append" and not state.token.startswith(BY_HAND)):
        return name
    if state.token.startswith(name):
        return state.token
    return f"{name}-{hashlib.sha256(state.token.encode()).hexdigest()[:8]}"


def _can_be_named(stream: JobStream, window: Window) -> None:
    """Refuse a window of a plugin's that would be taken for the last one, or whose files would bear the same names."""
    ids = [unit.id for unit in window.units]
    wrong = "two units have one id" if len(set(ids)) < len(ids) else "its fingerprint is empty, as all others would be"
    if ids and (not window.fingerprint or len(set(ids)) < len(ids)):
        plugin = stream.source.plugin or stream.source.connector
        message = f"stream {stream.name!r}: what {plugin} planned cannot be read: {wrong}. Report it to its author"
        raise PluginError(message, "PLUGIN_BAD_ANSWER", {"plugin": plugin, "verb": "split"})


def make_plan(
    job: Job,
    stream: JobStream,
    window: Window,
    *,
    state: State | None,
    committed: Snapshot | None,
    changes: Sequence[SchemaChange] = (),
) -> Plan:
    """Decide what a run of ``stream`` does, from what the source has and what the table remembers."""
    return Plan(
        job=job.name,
        tenant=job.tenant,
        stream=stream.name,
        key=job.key(stream),
        token=make_token(job, stream, window, state),
        table=stream.target.table,
        mode=stream.target.mode,
        window=window,
        changes=tuple(changes),
        committed=committed,
        known=state is not None,
        reason=_reason(window, state, committed),
    )


def _reason(window: Window, state: State | None, committed: Snapshot | None) -> str:
    if committed is not None:
        return f"this window is already in the table, in snapshot {committed.id}"
    if not window.units:
        return f"nothing new: {window.skipped} units are unchanged since the last commit"
    if state is None:
        return "first run: the table knows nothing of this stream"
    if window.before is None:
        return "the source is read whole and has changed since the last commit"
    if column := window.bounds.get("column"):
        return f"a window of {column}, from where the last commit ended"
    return f"{len(window.units)} units are new or changed since the last commit, {window.skipped} unchanged"
