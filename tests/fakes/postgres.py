"""A database of a test's own at the real PostgreSQL, and readers of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Incremental, SourceContext, Validation
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.sql.postgres import Config, Reader
from dativo_dagster.validation.compile import compile_contract
from dativo_dagster.validation.enforce import Enforcer
from dativo_ingest.model import Cursor, Stream, Window

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer


@dataclass(frozen=True)
class Database:
    """One database; ``options`` is what a job says to reach it."""

    server: PostgresServer
    name: str

    @classmethod
    def make(cls, server: PostgresServer) -> Database:
        """Make an empty one."""
        return cls(server, server.create_database().rsplit("/", 1)[-1])

    @property
    def options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.server.port, "user": "postgres", "database": self.name}

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as an administrator, each committed, and give the rows of the last."""
        with contextlib.closing(self.server.connect(self.name)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def reader(self, name: str = "t", fields: dict[str, str] | None = None, **more: Any) -> Reader:
        """Open a reader; what `SourceContext` knows goes there and the rest are options."""
        known = {"incremental", "slice", "session", "mode", "parallelism"}
        context = {k: more.pop(k) for k in known & more.keys()}
        contract = Contract(
            name=name,
            fields=tuple(Field(name=n, type=parse_type(t)) for n, t in (fields or {"id": "int64"}).items()),
        )
        config = Config.model_validate({**self.options, **more})
        return Reader(config, SourceContext(base=Path(), contract=contract, object=name, **context))


def rows_of(reader: Reader, window: Window, mode: str = "strict") -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Read a window through validation: the good rows, and how often each rule was broken."""
    enforcer = Enforcer(compile_contract(reader.context.contract, Validation(mode=mode)), run_id="")
    rows: list[dict[str, Any]] = []
    for unit in window.units:
        for batch in reader.read(Stream(name=reader.context.object), unit):
            rows += enforcer.check(batch, source=unit.id, first_row=1).good.to_pylist()
    reader.close()
    return rows, {v.rule: v.count for v in enforcer.violations()}


def planned(reader: Reader, since: Cursor | None = None) -> Window:
    """Plan the next window."""
    return reader.split(Stream(name=reader.context.object), since)


def by(column: str, **more: Any) -> Incremental:
    """Count by a column."""
    return Incremental(strategy="updated_at", cursor_field=column, **more)
