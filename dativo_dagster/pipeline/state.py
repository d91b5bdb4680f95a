"""What tables remember of a job's streams, shown to people and changed by them. For the command line."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.forplugins import source_stream
from dativo_dagster.pipeline.assemble import OURS, Openers
from dativo_dagster.state import keys
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import BY_HAND, Cursor, State, StateChange, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.protocols import Table


@dataclass(frozen=True, kw_only=True)
class Remembered(Value):
    """What a table remembers under one key: of a stream, of one partition of it, or of the replays of its quarantine.

    ``part`` is the partition's key, ``replay``, or empty for the stream as a whole. ``changes`` is the audit trail.
    """

    stream: str
    table: str
    key: str
    part: str = ""
    state: State | None = None
    changes: tuple[StateChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who changes a state, and why."""

    by: str
    reason: str


def remembered(job: Job, stream: JobStream, openers: Openers = OURS) -> Sequence[Remembered]:
    """Give what the table of a stream remembers of it: the whole stream first, then its parts."""
    table = openers.table(job, stream)
    states, whole = table.states(), keys.base(job.key(stream))
    ours = sorted((key for key in states if keys.base(key) == whole), key=lambda key: (key != whole, key))
    return [_entry(stream, table, key, states.get(key)) for key in ours or [whole]]


def _entry(stream: JobStream, table: Table, key: str, state: State | None) -> Remembered:
    part = "replay" if key.endswith(keys.REPLAY) else keys.partition(key) or ""
    return Remembered(
        stream=stream.name,
        table=table.identifier,
        key=key,
        part=part,
        state=state,
        changes=tuple(table.state_changes(key)),
    )


def cursor_of(text: str, job: Job, stream: JobStream, openers: Openers = OURS) -> Cursor:
    """Read a cursor that a person wrote: its whole JSON as `remembered` gives it, or only its value.

    The reader is asked whether it understands a mere value.

    Raises:
        ConfigurationError: ``BAD_CURSOR``; or the reader refuses it.
    """
    if stream.partitions is not None:
        raise ConfigurationError(
            f"stream {stream.name!r} is partitioned: a part is read whole and has no cursor; to have one read again "
            "use `dativo state reset --partition`",
            "BAD_CURSOR",
        )
    try:
        said = json.loads(text)
    except ValueError:
        said = text
    if isinstance(said, dict):
        return Cursor(value=said)
    column = stream.source.incremental.cursor_field if stream.source.incremental else None
    if column is None or said is None or isinstance(said, (list, bool)):
        raise ConfigurationError(
            f"stream {stream.name!r}: {text!r} is no cursor: write a value of the cursor column, or, of a source that "
            "has none, all of the cursor as JSON, as `dativo state show --json` prints it",
            "BAD_CURSOR",
        )
    cursor = Cursor(value={"column": column, "value": str(text)})
    with openers.reader(job, stream) as reader:
        reader.split(source_stream(stream), cursor)
    return cursor


def set_cursor(job: Job, stream: JobStream, cursor: Cursor, who: Who, openers: Openers = OURS) -> StateChange:
    """Let the next run of a stream, or of the partition in its ``slice``, start from ``cursor``.

    Raises:
        CommitError: ``STATE_MOVED``: a run committed meanwhile.
    """
    return _change(job, stream, "set", cursor, who, openers)


def reset(job: Job, stream: JobStream, who: Who, openers: Openers = OURS) -> StateChange:
    """Let the next run of a stream, or of the partition in its ``slice``, read all of the source.

    A marker stays in the place of the state, so that the run is not stopped for having lost its memory.
    """
    return _change(job, stream, "reset", None, who, openers)


def appends_again(stream: JobStream) -> bool:
    """Say whether rows that are read again come into the table again."""
    return stream.target.mode == "append"


def _change(job: Job, stream: JobStream, action: str, cursor: Cursor | None, who: Who, openers: Openers) -> StateChange:
    if not who.reason.strip():
        raise ConfigurationError("say why: the reason is what the audit trail is for", "BAD_OPTION")
    table = openers.table(job, stream)
    key, now = job.key(stream), datetime.now(timezone.utc).isoformat(timespec="seconds")
    change = StateChange(
        key=key,
        action=action,
        at=now,
        by=who.by,
        reason=who.reason,
        before=table.states().get(key),
        after=State(token=f"{BY_HAND}{uuid.uuid4().hex[:16]}", cursor=cursor, committed_at=now),
    )
    table.set_state(change)
    return change


def of_partition(stream: JobStream, key: str | None) -> JobStream:
    """Give the stream for one of its partitions.

    Raises:
        ConfigurationError: ``NO_PARTITIONS`` where the stream has none, or none was named; ``UNKNOWN_PARTITION``.
    """
    from dativo_dagster.config.partitions import slice_of

    if (stream.partitions is None) != (key is None):
        why = "is partitioned: name one of its parts with --partition" if key is None else "has no partitions"
        raise ConfigurationError(f"stream {stream.name!r} {why}", "NO_PARTITIONS")
    if stream.partitions is None or key is None:
        return stream
    return dataclasses.replace(stream, slice=slice_of(stream.partitions, key))


def shown(cursor: Cursor | None, longest: int = 60) -> str:
    """Give a cursor as people read it in a line; the rest of a long one is in the JSON."""
    if cursor is None:
        return "none: all is read"
    value: Any = cursor.value.get("value", cursor.value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= longest else text[: longest - 1] + "…"
