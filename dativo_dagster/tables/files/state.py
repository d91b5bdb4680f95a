"""What the manifest remembers of streams, and what people did to it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dativo_dagster.state.keys import may_share
from dativo_dagster.state.patience import tries
from dativo_dagster.state.trail import kept, moved, shown
from dativo_dagster.tables.files.manifest import HEAD, Head
from dativo_ingest.exceptions import CommitError, ConfigurationError
from dativo_ingest.model import State, StateChange

if TYPE_CHECKING:
    from dativo_dagster.tables.files.folder import Folder


def states(head: Head) -> dict[str, State]:
    """Give all that the manifest remembers, by key; also what cannot be read."""
    return {key: shown(head.state[key]) for key in sorted(head.state)}


def changes(head: Head, key: str) -> list[StateChange]:
    """Give the audit trail of a key, the oldest first."""
    return [StateChange.from_json(entry) for entry in head.changes.get(key, ())]


def change_state(folder: Folder, change: StateChange) -> None:
    """Put a state in place of another, with its line in the audit trail, in one put of the manifest.

    Raises:
        ConfigurationError: ``NO_TABLE``.
        CommitError: ``STATE_MOVED``; ``COMMIT_CONFLICT``, others keep committing.
    """
    for _ in tries():
        head, etag = folder.head()
        if head is None:
            raise ConfigurationError(
                f"table {folder.location} does not exist yet, and its state is kept in it; to begin with a certain "
                "cursor say `start` in `incremental`",
                "NO_TABLE",
            )
        there = states(head).get(change.key)
        if there == change.after and change in changes(head, change.key):
            return  # an earlier try that had no answer
        if there != change.before:
            raise moved(change, there, folder.location)
        data = _changed(head, change).dumps().encode()
        if folder.storage.put_if_match(f"{folder.location}/{HEAD}", data, etag):
            return
    raise CommitError(
        f"table {folder.location}: others keep committing to it; run again", "COMMIT_CONFLICT", retryable=True
    )


def _changed(head: Head, change: StateChange) -> Head:
    trail = [entry.to_json() for entry in kept([*changes(head, change.key), change])]
    state = {key: value for key, value in head.state.items() if key != change.key}
    if change.after is not None:
        state[change.key] = change.after.to_json()
    return dataclasses.replace(head, state=state, changes={**head.changes, change.key: trail})


def unaccounted(head: Head, key: str) -> int:
    """Count the rows that may be those of ``key``: all of them, unless every segment is another stream's."""
    rows = sum(s.rows for s in head.segments)
    return rows if any(s.rows and (not s.key or may_share(s.key, key)) for s in head.segments) else 0


def highest(folder: Folder, head: Head, column: str) -> Any:
    """Give the highest value of a column; reads only that column of every file."""
    found: list[Any] = []
    for file in folder.files(head.segments):
        with folder.storage.open_read(f"{folder.location}/{file.path}") as stream:
            parquet = pq.ParquetFile(stream)
            if column in parquet.schema_arrow.names:
                found += (pc.max(b.column(0)).as_py() for b in parquet.iter_batches(columns=[column]))
    return max((value for value in found if value is not None), default=None)
