"""What the tables of one schema remember: state, commits, the audit trail, and the columns as contracts had them.

=========================  ======================================================================================
``_dativo_state``          one row a stream: token of its last commit, and as JSON all of its state
``_dativo_commits``        one row a commit; its primary key is what makes a token land once
``_dativo_state_changes``  what people did to states
``_dativo_tables``         the logical types of a table, where the database's own types say less
=========================  ======================================================================================
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.state import trail
from dativo_dagster.state.keys import may_share
from dativo_dagster.tables.sql.session import quoted
from dativo_ingest.model import Column, Snapshot, Staged, State, StateChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dativo_dagster.tables.sql.session import Name, Session

STATE, COMMITS, CHANGES, TABLES = "_dativo_state", "_dativo_commits", "_dativo_state_changes", "_dativo_tables"
_MADE = {
    STATE: '"table" VARCHAR NOT NULL, "key" VARCHAR NOT NULL, "token" VARCHAR NOT NULL, "state" VARCHAR NOT NULL, '
    '"committed_at" VARCHAR, PRIMARY KEY ("table", "key")',
    COMMITS: '"table" VARCHAR NOT NULL, "token" VARCHAR NOT NULL, "key" VARCHAR NOT NULL, "attempt" VARCHAR NOT NULL, '
    '"mode" VARCHAR NOT NULL, "files" BIGINT, "rows" BIGINT, "bytes" BIGINT, "replaced_rows" BIGINT, '
    '"total_rows" BIGINT, "committed_at" VARCHAR, "properties" VARCHAR, PRIMARY KEY ("table", "token")',
    CHANGES: '"table" VARCHAR NOT NULL, "key" VARCHAR NOT NULL, "number" BIGINT NOT NULL, "change" VARCHAR NOT NULL',
    TABLES: '"table" VARCHAR NOT NULL PRIMARY KEY, "columns" VARCHAR NOT NULL, "properties" VARCHAR',
}


@dataclass(frozen=True)
class Ledger:
    """The memory of one table. Every method is a few statements of the caller's transaction."""

    session: Session
    name: Name

    def exists(self) -> bool:
        """Say whether anything was ever remembered in this schema."""
        return bool(self.session.natives(self.name.beside(TABLES)))

    def make(self) -> None:
        """Make what is missing."""
        if not self.session.schema_exists(self.name.schema):
            self.session.execute(f"CREATE SCHEMA IF NOT EXISTS {self.name.place}")
        for table, columns in _MADE.items():
            self.session.execute(f"CREATE TABLE IF NOT EXISTS {self.name.beside(table)} ({columns})")

    def state(self, key: str) -> State | None:
        """Give the state of a stream.

        Raises:
            ConfigurationError: ``STATE_CORRUPT``.
        """
        found = self._states().get(key)
        return None if found is None else trail.parsed(found, f"{self.name.beside(STATE)}, key {key},")

    def states(self) -> dict[str, State]:
        """Give the state of every stream; also what cannot be read."""
        return {key: trail.shown(text) for key, text in self._states().items()}

    def put_state(self, key: str, state: State | None) -> None:
        """Put a state in the place of the one that is there."""
        table = self.name.beside(STATE)
        if state is None:
            self.session.execute(f'DELETE FROM {table} WHERE "table" = $1 AND "key" = $2', (self.name.table, key))
            return
        self.session.execute(
            f'INSERT INTO {table} VALUES ($1, $2, $3, $4, $5) ON CONFLICT ("table", "key") DO UPDATE SET '
            '"token" = excluded."token", "state" = excluded."state", "committed_at" = excluded."committed_at"',
            (self.name.table, key, state.token, state.dumps(), state.committed_at or ""),
        )

    def change_state(self, change: StateChange) -> None:
        """Put ``change.after`` in place of ``change.before``, and keep the change.

        Raises:
            CommitError: ``STATE_MOVED``.
        """
        there, before = self.states().get(change.key), self.state_changes(change.key)
        if there == change.after and change in before:
            return  # an earlier try that had no answer
        if there != change.before:
            raise trail.moved(change, there, str(self.name))
        self.put_state(change.key, change.after)
        table, of_key = self.name.beside(CHANGES), (self.name.table, change.key)
        self.session.execute(f'DELETE FROM {table} WHERE "table" = $1 AND "key" = $2', of_key)
        for at, kept in enumerate(trail.kept([*before, change])):
            self.session.execute(f"INSERT INTO {table} VALUES ($1, $2, {at}, $3)", (*of_key, kept.dumps()))

    def state_changes(self, key: str) -> list[StateChange]:
        """Give the audit trail of a key, the oldest first."""
        rows = self._rows(CHANGES, '"change"', 'AND "key" = $2 ORDER BY "number"', key)
        return [StateChange.loads(change) for (change,) in rows]

    def committed(self, token: str) -> tuple[Snapshot, str] | None:
        """Give the commit of ``token`` and the attempt that made it."""
        rows = self._rows(COMMITS, '"attempt", "files", "rows", "bytes", "replaced_rows", "total_rows"',
                          'AND "token" = $2', token)  # fmt: skip
        for attempt, files, count, size, replaced, total in rows:
            snapshot = Snapshot(
                id=token,
                table=f"{self.name.schema}.{self.name.table}",
                token=token,
                location=str(self.name),
                files=files,
                rows=count,
                bytes=size,
                total_rows=total,
                replaced_rows=replaced,
                fresh=False,
            )
            return snapshot, attempt
        return None

    def claim(self, staged: Staged, attempt: str) -> bool:
        """Take the token for this transaction; False when a commit has it. Waits for one that is under way."""
        taken = self.session.execute(
            f'INSERT INTO {self.name.beside(COMMITS)} ("table", "token", "key", "attempt", "mode", "properties") '
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            (self.name.table, staged.token, staged.key, attempt, staged.mode, json.dumps(dict(staged.properties))),
        )
        return taken == 1

    def finish(self, staged: Staged, replaced: int, total: int | None) -> None:
        """Write down what the commit did, and where its stream is now."""
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        facts = {
            "files": len(staged.files),
            "rows": sum(f.rows for f in staged.files),
            "bytes": sum(f.bytes for f in staged.files),
            "replaced_rows": replaced,
            "total_rows": "NULL" if total is None else total,
        }
        assigned = ", ".join(f"{quoted(name)} = {value}" for name, value in facts.items())
        self.session.execute(
            f'UPDATE {self.name.beside(COMMITS)} SET {assigned}, "committed_at" = $1 '
            'WHERE "table" = $2 AND "token" = $3',
            (at, self.name.table, staged.token),
        )
        self.put_state(staged.key, State(token=staged.token, cursor=staged.cursor, committed_at=at))

    def rows_of_others(self, key: str) -> int | None:
        """Count the rows that commits of other streams brought; None when some may be those of ``key``."""
        rows = self._rows(COMMITS, '"key", "rows"')
        shared = any(count and may_share(other, key) for other, count in rows)
        return None if shared else sum(count or 0 for _, count in rows)

    def columns(self) -> dict[str, Column]:
        """Give the columns as the last contract had them, by name."""
        rows = self._rows(TABLES, '"columns"')
        found = [Column.from_json(c) for (text,) in rows for c in json.loads(text)]
        return {c.name: c for c in found}

    def put_columns(self, columns: Sequence[Column], properties: Mapping[str, str]) -> None:
        """Remember the columns of the table, and what is said of it."""
        table = self.name.beside(TABLES)
        text = json.dumps([dataclasses.asdict(c) for c in columns], ensure_ascii=False)
        said = json.dumps(dict(properties), ensure_ascii=False, sort_keys=True)
        if self._rows(TABLES, '"columns", "properties"') != [(text, said)]:
            self.session.execute(
                f'INSERT INTO {table} VALUES ($1, $2, $3) ON CONFLICT ("table") DO UPDATE SET '
                '"columns" = excluded."columns", "properties" = excluded."properties"',
                (self.name.table, text, said),
            )

    def _states(self) -> dict[str, str]:
        return dict(self._rows(STATE, '"key", "state"', 'ORDER BY "key"'))

    def _rows(self, table: str, what: str, more: str = "", *parameters: str) -> list[tuple[Any, ...]]:
        sql = f'SELECT {what} FROM {self.name.beside(table)} WHERE "table" = $1 {more}'
        return self.session.rows(sql, (self.name.table, *parameters))
