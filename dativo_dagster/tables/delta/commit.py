"""The commit: the version after the one that was looked at, or none; then the next try looks again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import Field
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from dativo_dagster.state.patience import tries
from dativo_dagster.tables.delta.memory import Folder, Memory, transactions, version_of
from dativo_dagster.tables.delta.types import schema_text
from dativo_dagster.tables.delta.write import STATISTICS
from dativo_dagster.validation import evolution
from dativo_ingest.exceptions import CommitError, ConfigurationError
from dativo_ingest.model import Column, SchemaChange, Snapshot, Staged, State

if TYPE_CHECKING:
    from dativo_dagster.config.job import TableSpec

Removed = list[tuple[str, int, dict[str, str | None]]]
TRIES = 5
"""How often what is no conflict is tried: an answer that was lost, or a store that is down."""
ANEW = ("widen", "drop", "rename")
"""Changes of columns that Delta makes only where all rows are written anew."""


@dataclass
class Commit:
    """One commit on its way. ``load`` gives the table as it is now, None when there is none."""

    spec: TableSpec
    staged: Staged
    folder: Folder
    options: dict[str, str]
    load: Callable[[], DeltaTable | None]
    look: Callable[[DeltaTable], tuple[tuple[Column, ...], tuple[SchemaChange, ...]]]
    wanted: Sequence[Column]
    attempt: str = field(default_factory=lambda: secrets.token_hex(8))

    def run(self) -> Snapshot:
        """Commit, or find that it is done.

        Raises:
            CommitError: ``COMMIT_CONFLICT`` or ``COMMIT_UNKNOWN`` after too many tries, both retryable.
        """
        last: Exception | None = None
        unknown = 0
        for _ in tries():
            table = self.load()
            version = version_of(table, self.staged.token) if table is not None else None
            if table is not None and version is not None:
                self.folder.forget(self.staged.key, version)
                return snapshot(table, self.folder, self.spec, self.staged.token, attempt=self.attempt)
            last = self._tried(table)
            unknown += last is not None and not isinstance(last, CommitFailedError)
            if unknown == TRIES:
                break
        raise self._given_up(last) from last

    def _given_up(self, last: Exception | None) -> CommitError:
        busy = last is None or isinstance(last, CommitFailedError)
        why = "others keep committing to it" if busy else f"it cannot be written ({str(last).splitlines()[0]})"
        return CommitError(
            f"table {self.folder.location}: {why}; the files are written, and running "
            "again repeats nothing that landed",
            "COMMIT_CONFLICT" if busy else "COMMIT_UNKNOWN",
            {"table": self.folder.location, "token": self.staged.token},
            retryable=True,
        )

    def _tried(self, table: DeltaTable | None) -> Exception | None:
        """Try once; an error that is given back may pass. Whether it landed is told by looking."""
        try:
            if table is None:
                self._create()
            else:
                self._write(table)
        except (DeltaError, OSError) as error:
            return error
        return None

    def _create(self) -> None:
        self._remember(None)
        create_table_with_add_actions(
            self.folder.location,
            Schema.from_json(schema_text(self.wanted, self.spec.identifier)),
            self._added(),
            mode="error",
            partition_by=[p.column for p in self.spec.partitioning],
            storage_options=self.options,
            commit_properties=self._properties(0),
        )

    def _write(self, table: DeltaTable) -> None:
        have, asked = self.look(table)
        evolution.refuse(asked, self.spec.identifier)
        whole = self.staged.mode == "overwrite"
        refuse_anew(asked, self.spec.identifier, whole=whole)
        columns = evolution.promised(self.wanted, have)
        if not whole and change(table, asked, columns, self.options):
            return  # the next try looks at the table as it is now
        version = table.version() + 1
        self._remember(table)
        table.create_write_transaction(
            [*self._added(), *([] if whole else self._removed(table))],
            mode="overwrite" if whole else "append",
            schema=Schema.from_json(schema_text(columns, self.spec.identifier)) if whole else table.schema(),
            partition_by=[p.column for p in self.spec.partitioning],
            commit_properties=self._properties(version),
        )

    def _remember(self, table: DeltaTable | None) -> None:
        """Write the file with the cursor; it counts once the version that it names is ours."""
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        state = State(token=self.staged.token, cursor=self.staged.cursor, committed_at=at)
        before = None if table is None else self.folder.read(table, self.staged.key)
        memory = Memory(key=self.staged.key, state=state.to_json(), changes=before.changes if before else ())
        self.folder.write(memory, 0 if table is None else table.version() + 1, self.staged.token)

    def _properties(self, version: int) -> CommitProperties:
        files = self.staged.files
        said = {
            **dict(self.spec.properties),  # Delta takes no properties of a table but its own
            **dict(self.staged.properties),
            "dativo.commit-token": self.staged.token,
            "dativo.attempt": self.attempt,
            "dativo.files": str(len(files)),
            "dativo.rows": str(sum(f.rows for f in files)),
            "dativo.bytes": str(sum(f.bytes for f in files)),
        }
        return properties(self.staged.token, self.staged.key, version, said)

    def _added(self) -> list[AddAction]:
        now = round(time.time() * 1000)
        base = f"{self.folder.location}/"
        return [
            AddAction(f.path.removeprefix(base), f.bytes, dict(f.partition), now, True, f.statistics[STATISTICS])  # noqa: FBT003
            for f in self.staged.files
        ]

    def _removed(self, table: DeltaTable) -> list[RemoveAction]:
        """Give the files whose partitions the run's rows are in."""
        if self.staged.mode != "overwrite_partitions" or not self.staged.files:
            return []
        replaced = {_values(f.partition) for f in self.staged.files}
        now = round(time.time() * 1000)
        return [
            RemoveAction(path, True, now, size, values)  # noqa: FBT003
            for path, size, values in active(table)
            if _values(values) in replaced
        ]


def properties(token: str, key: str, version: int, said: dict[str, str]) -> CommitProperties:
    """Give what makes a commit ours, and no other version than this one."""
    names = transactions(token, key)
    return CommitProperties(
        custom_metadata=said, max_commit_retries=0, app_transactions=[Transaction(n, version) for n in names]
    )


def active(table: DeltaTable) -> Removed:
    """Give the files of a table: path in its folder, size, and values of the partition as text."""
    found = pa.table(table.get_add_actions(flatten=False))
    values = found.column("partition").to_pylist() if "partition" in found.column_names else [{}] * found.num_rows
    paths, sizes = found.column("path").to_pylist(), found.column("size_bytes").to_pylist()
    texts = [{name: _text(value) for name, value in of.items()} for of in values]
    return list(zip(map(unquote, paths), sizes, texts, strict=True))


def snapshot(table: DeltaTable, folder: Folder, spec: TableSpec, token: str, *, attempt: str = "") -> Snapshot:
    """Give the commit of ``token`` as the pipeline reports it; its counts are known while the log has its version."""
    version = version_of(table, token)
    said = _said(folder, version or 0)
    fresh = bool(attempt) and said.get("dativo.attempt") == attempt
    found = pa.table(table.get_add_actions(flatten=False)) if fresh else None
    return Snapshot(
        id=str(version),
        table=spec.identifier,
        token=token,
        location=folder.location,
        files=int(said.get("dativo.files", 0)),
        rows=int(said.get("dativo.rows", 0)),
        bytes=int(said.get("dativo.bytes", 0)),
        total_rows=sum(n or 0 for n in found.column("num_records").to_pylist()) if found is not None else None,
        total_files=found.num_rows if found is not None else None,
        fresh=fresh,
    )


def _said(folder: Folder, version: int) -> dict[str, Any]:
    path = f"{folder.location}/_delta_log/{version:020d}.json"
    if folder.storage.find(path) is None:
        return {}
    lines = folder.storage.read(path).decode().splitlines()
    return next((dict(found["commitInfo"]) for found in map(json.loads, lines) if "commitInfo" in found), {})


def refuse_anew(asked: Sequence[SchemaChange], table: str, *, whole: bool) -> None:
    """Refuse changes that would need other files.

    Raises:
        ConfigurationError: ``SCHEMA_CHANGE_REFUSED``.
    """
    bad = [c for c in asked if (c.kind in ANEW or "." in c.column) and not whole]
    if bad:
        told = ", ".join(f"{c.kind} {c.column!r}" for c in bad)
        raise ConfigurationError(
            f"table {table}: a Delta table takes these changes only when all of its rows are written anew: {told}; run "
            "once with `mode: overwrite`, or write to a new table",
            "SCHEMA_CHANGE_REFUSED",
            {"table": table, "changes": [c.to_json() for c in bad]},
        )


def change(
    table: DeltaTable, asked: Sequence[SchemaChange], columns: Sequence[Column], options: dict[str, str]
) -> bool:
    """Add columns and let columns be NULL, each in a version of its own; says whether anything was to do."""
    fields: list[dict[str, Any]] = json.loads(schema_text(columns, ""))["fields"]
    new = {c.column for c in asked if c.kind == "add"}
    added = [Field.from_json(json.dumps(f)) for f in fields if f["name"] in new]
    if added:
        table.alter.add_columns(added)
    relaxed = [c.column for c in asked if c.kind == "relax"]
    for name in relaxed:
        DeltaTable(table.table_uri, storage_options=options).alter.drop_column_not_null(name)
    return bool(added or relaxed)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _values(partition: Any) -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted(partition.items()))
