"""A connector over one SQLite file that reads parts of tables, and shares a snapshot: the rows as they were at first.

A table called ``fails_in_split`` or ``fails_in_read`` does what it says. `use` puts the connector where a real one is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel

from dativo_dagster import registry
from dativo_ingest.exceptions import ConnectionError as Unreachable
from dativo_ingest.model import CheckResult, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from dativo_dagster.config.job import SourceContext

NAME = "sqlalchemy"
_JOB = """\
name: shop
tenant: acme
source: {{connector: sqlalchemy, database: {root}/shop.db{source}}}
target:
  connector: iceberg
  catalog: {{type: sql, uri: "sqlite:///{root}/catalog.db", warehouse: "file://{root}/lake"}}
streams:
{streams}
contract:
  name: shop
  schema: [{{name: id, type: int64, required: true}}, {{name: at, type: timestamptz}}, {{name: kind, type: string}}]
{more}
"""


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have jobs read with this connector by the name `NAME`."""
    monkeypatch.setitem(registry.ENTRIES["connectors"], NAME, registry.Entry(module=__name__))
    monkeypatch.setattr(registry, "entries", cache(registry.entries.__wrapped__))  # what it remembers goes with it
    monkeypatch.setattr(Session, "opened", [])


def job_of(root: Path, tables: Sequence[str], *, source: str = "", more: str = "") -> str:
    """Give the YAML of a job that reads tables of ``shop.db`` into Iceberg, all of it below ``root``."""
    streams = [f"  - {{name: {t}, source: {{table: {t}}}, target: {{table: shop.{t}}}}}" for t in tables]
    return _JOB.format(root=root, streams="\n".join(streams), source=source, more=more)


class Config(BaseModel):
    """What a job says."""

    database: str
    table: str
    snapshot: str = "stream"

    def address(self) -> dict[str, Any]:
        return {"database": self.database}


@dataclass
class Session:
    """All tables as they were when it was opened."""

    opened = list["Session"]()  # noqa: RUF012 - of a test, which `use` empties

    database: str
    closed: bool = False
    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        assert not self.closed
        return self.tables[table]


@contextmanager
def open_session(config: Config) -> Iterator[Session]:
    session = Session(config.database)
    with closing(sqlite3.connect(config.database)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master").fetchall():
            session.tables[name] = db.execute(f"SELECT id, at, kind FROM {name}").fetchall()
    Session.opened.append(session)
    try:
        yield session
    finally:
        session.closed = True


class Reader:
    """Reads ``id, at, kind``; a part lies between bounds of ``at``, as text, or in values of ``kind``."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        self.config, self.context = config, context

    def check(self) -> CheckResult:
        return CheckResult(name="connection", passed=True)

    def discover(self) -> Sequence[Stream]:
        return [Stream(name=self.config.table)]

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        if self.config.table == "fails_in_split":
            raise Unreachable("the source is away", "CONNECTION_FAILED", retryable=False)
        name = repr(self.context.slice) if self.context.mode == "append" and self.context.slice else repr(self._rows())
        mark = hashlib.sha256(name.encode()).hexdigest()
        return Window(units=(Unit(id=stream.name),), fingerprint=mark, whole=self.context.slice is None)

    def read(self, stream: Stream, unit: Unit) -> Iterator[pa.RecordBatch]:
        rows = self._rows()
        if self.config.table == "fails_in_read":
            raise Unreachable("the source went away", "CONNECTION_FAILED", retryable=False)
        yield pa.record_batch(
            {name: pa.array([str(row[i]) for row in rows]) for i, name in enumerate(("id", "at", "kind"))}
        )

    def position(self, unit: Unit) -> int:
        return 0

    def reached(self, window: Window) -> Cursor | None:
        return window.after

    def _rows(self) -> list[tuple[Any, ...]]:
        part, table = self.context.slice, self.config.table
        if self.context.session is not None:
            rows = self.context.session.rows(table)
        else:
            with closing(sqlite3.connect(self.config.database)) as db:
                rows = db.execute(f"SELECT id, at, kind FROM {table}").fetchall()
        if part is None:
            return list(rows)
        if part.values:
            return [row for row in rows if row[2] in part.values]
        return [row for row in rows if str(part.lower) <= row[1] < str(part.upper)]
