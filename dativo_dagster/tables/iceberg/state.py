"""What a table remembers of its streams, in its properties, and what people did to it.

``dativo.state.<key>`` is the state of a stream, ``dativo.state-changes.<key>`` the audit trail of it: a JSON array of
`model.StateChange`, the oldest first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg import exceptions as theirs
from pyiceberg.conversions import from_bytes
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import AssertRefSnapshotId
from pyiceberg.types import (
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    PrimitiveType,
    TimestampType,
    TimestamptzType,
)

from dativo_dagster.state.keys import may_share
from dativo_dagster.state.patience import tries
from dativo_dagster.state.trail import kept, moved, parsed, shown
from dativo_dagster.tables.iceberg.tokens import STATE, ancestors, find
from dativo_ingest.exceptions import CommitError, ConfigurationError
from dativo_ingest.model import BY_HAND, State, StateChange

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

CHANGES = "dativo.state-changes."
EXACT = (IntegerType, LongType, DecimalType, DateType, TimestampType, TimestamptzType)
"""Types whose bounds in the manifests are values of the file, neither cut short nor rounded."""
NO_RETRY = {"commit.retry.num-retries": "0"}


def state_of(metadata: TableMetadata, key: str, identifier: str) -> State | None:
    """Give what the table remembers of the stream ``key``.

    Raises:
        ConfigurationError: ``STATE_CORRUPT``, or ``TABLE_ROLLED_BACK``: the commit that it remembers was taken away.
    """
    text = metadata.properties.get(STATE + key)
    if text is None:
        return None
    state = parsed(text, f"property {STATE + key} of table {identifier}")
    if not state.token.startswith(BY_HAND) and find(metadata, state.token) is None:
        raise ConfigurationError(
            f"table {identifier} was rolled back behind the last commit of {key}, but still has the cursor of that "
            "commit. Use `dativo state reset` to read the source from its beginning, or `dativo state set` with the "
            "cursor that belongs to the rows",
            "TABLE_ROLLED_BACK",
            {"key": key},
        )
    return state


def states(metadata: TableMetadata) -> dict[str, State]:
    """Give all that the table remembers, by key; also states whose commit was rolled back, or that cannot be read."""
    found = sorted(metadata.properties.items())
    return {name.removeprefix(STATE): shown(text) for name, text in found if name.startswith(STATE)}


def changes(metadata: TableMetadata, key: str) -> list[StateChange]:
    """Give the audit trail of a key, the oldest first."""
    return [StateChange.from_json(entry) for entry in json.loads(metadata.properties.get(CHANGES + key, "[]"))]


def change_state(load: Callable[[], IcebergTable | None], change: StateChange, identifier: str) -> None:
    """Put a state in place of another, with its line in the audit trail, in one transaction.

    Every commit makes a snapshot, so the transaction asks that there be no new one: properties alone have no condition
    that a REST catalog would check.

    Raises:
        ConfigurationError: ``NO_TABLE``.
        CommitError: ``STATE_MOVED``; ``COMMIT_CONFLICT``, others keep committing.
    """
    last: Exception | None = None
    for _ in tries():
        table = load()
        if table is None:
            raise ConfigurationError(
                f"table {identifier} does not exist yet, and its state is kept in it; to begin with a certain cursor "
                "say `start` in `incremental`",
                "NO_TABLE",
            )
        there = states(table.metadata).get(change.key)
        if there == change.after and change in changes(table.metadata, change.key):
            return  # an earlier try that had no answer
        if there != change.before:
            raise moved(change, there, identifier)
        try:
            _send(table, change)
        except theirs.CommitFailedException as error:
            last = error
        else:
            return
    raise CommitError(
        f"table {identifier}: others keep committing to it ({last}); run again",
        "COMMIT_CONFLICT",
        {"table": identifier},
        retryable=True,
    ) from last


def _send(table: IcebergTable, change: StateChange) -> None:
    trail = kept([*changes(table.metadata, change.key), change])
    written = {CHANGES + change.key: json.dumps([entry.to_json() for entry in trail])}
    if change.after is not None:
        written[STATE + change.key] = change.after.dumps()
    table.metadata = table.metadata.model_copy(update={"properties": table.metadata.properties | NO_RETRY})
    transaction = table.transaction()
    transaction.set_properties(written)
    if change.after is None:
        transaction.remove_properties(STATE + change.key)
    unchanged = {"ref": MAIN_BRANCH, "snapshot-id": table.metadata.current_snapshot_id}
    transaction._apply(  # noqa: SLF001 - pyiceberg has no public way to ask for a condition
        (), (AssertRefSnapshotId.model_validate(unchanged),)
    )
    transaction.commit_transaction()


def unaccounted(metadata: TableMetadata, key: str) -> int:
    """Count the rows that may be those of ``key``: all, unless every snapshot shows that others brought them."""
    current = metadata.current_snapshot()
    rows = _number(current, "total-records", 1) if current is not None else 0
    if not rows:
        return 0
    history = list(ancestors(metadata, metadata.current_snapshot_id))
    # Snapshots that have expired do not tell any more whose rows they brought.
    known = history[-1].parent_snapshot_id is None
    return 0 if known and not any(_may_bring(snapshot, key) for snapshot in history) else rows


def _may_bring(snapshot: IcebergSnapshot, key: str) -> bool:
    summary = snapshot.summary
    owner = summary.get("dativo.key") if summary is not None else None
    added = _number(snapshot, "added-records", 0)
    if owner is None:  # somebody else's: a compaction writes as many rows as it takes away
        return added > _number(snapshot, "deleted-records", 0)
    return added > 0 and may_share(owner, key)


def _number(snapshot: IcebergSnapshot, name: str, unknown: int) -> int:
    said = snapshot.summary.get(name) if snapshot.summary is not None else None
    return unknown if said is None else int(said)


def highest(table: IcebergTable, column: str) -> Any:
    """Give the highest value of a column: from the files' statistics where those are exact, else from its values."""
    schema = table.schema()
    if column not in schema.column_names:
        return None
    field = schema.find_field(column)
    tasks = list(table.scan(selected_fields=(column,)).plan_files())
    if isinstance(field.field_type, EXACT) and not any(task.delete_files for task in tasks):
        bounds = [(task.file.upper_bounds or {}).get(field.field_id) for task in tasks]
        if all(bound is not None or _only_nulls(t, field.field_id) for bound, t in zip(bounds, tasks, strict=True)):
            raw = max((from_bytes(field.field_type, b) for b in bounds if b is not None), default=None)
            return None if raw is None else _as_python(raw, field.field_type)
    batches = table.scan(selected_fields=(column,)).to_arrow_batch_reader()
    found = (pc.max(batch.column(0)).as_py() for batch in batches if batch.num_rows)
    return max((value for value in found if value is not None), default=None)


def _only_nulls(task: FileScanTask, field_id: int) -> bool:
    return (task.file.null_value_counts or {}).get(field_id) == task.file.record_count


def _as_python(raw: Any, kind: PrimitiveType) -> Any:
    """Give a bound, which is microseconds or days where it is a moment, as Python has it."""
    if isinstance(kind, (DateType, TimestampType, TimestamptzType)):
        target = schema_to_pyarrow(kind)
        return pa.array([raw]).cast(pa.int32() if isinstance(kind, DateType) else pa.int64()).cast(target)[0].as_py()
    return raw
