"""The reader of every database: tables become streams, cursors become windows, large tables become parts.

What is particular to one database is in its `base.Dialect`. Units of one stream are read from one state of the
database where it can share one between connections: the first unit opens it and `reached` lets go of it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dativo_dagster.connectors.sql.choice import all_found, find, item_of, last, tables_of
from dativo_dagster.connectors.sql.columns import Selected, selected
from dativo_dagster.connectors.sql.session import Session
from dativo_dagster.connectors.sql.windows import Windows
from dativo_ingest.exceptions import (
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours
    DativoError,
)
from dativo_ingest.model import CheckResult, Column, Cursor, Stream, Unit, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import SourceContext
    from dativo_dagster.connectors.sql.base import Connection, Dialect, Relation
    from dativo_dagster.connectors.sql.config import SqlConfig

LARGE_ROWS = 1_000_000
"""From here on a table is cut into parts without being asked, and only where all of it is read."""


class SqlReader:
    """Reads the tables and queries that a configuration names."""

    def __init__(self, config: SqlConfig, context: SourceContext, dialect: Dialect) -> None:
        self.config, self.context, self.dialect = config, context, dialect
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._bytes: dict[str, int] = {}
        self._rows = 0
        self._cancelled = False
        self._session: Session | None = None
        self._relations: dict[str, Relation] = {}

    def check(self) -> CheckResult:
        """Connect, look whether the tables are there, and read nothing of each."""
        try:
            with self._connected(_about(self.context.object)) as connection:
                found = self._named(connection)
                for relation in found:
                    connection.rows(f"SELECT 1 AS one FROM {relation.source} WHERE 1 = 0")  # noqa: S608 - quoted
        except DativoError as error:
            return CheckResult.failed("connection", error)
        return CheckResult(
            name="connection",
            passed=True,
            message=f"{self.dialect.name}: {len(found)} of the job's tables can be read",
            details={"tables": [r.name for r in found]},
        )

    def discover(self) -> Sequence[Stream]:
        """Give a stream for each table, view or query, with its columns, key, comments and estimated rows."""
        with self._connected("discover") as connection:
            if self.config.query:
                return [_stream(self.dialect.query(connection, "query", self.config.query))]
            found = all_found(self.config, self.dialect.relations(connection), self.dialect.name)
            named = {t.name: t.object for t in self.config.tables if t.object}
            streams = [_stream(r) for r in self.dialect.describe(connection, found)]
            return [replace(s, name=named.get(s.name) or named.get(last(s.name)) or s.name) for s in streams]

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Freeze the window by the server's clock and cut it where the table is large. Reads no rows."""
        with self._connected(_about(stream.name)) as connection:
            relation = self._relation(connection, stream)
            selected(self.dialect, relation, self.context.contract)
            windows = Windows(self.config, self.context, self.dialect, connection, relation)
            planned = windows.plan(self._cursor_field(stream), since)
            parts = self._parts(relation, whole=since is None and self.context.slice is None)
            pieces = self.dialect.pieces(connection, relation, parts, self.config.partition_by) if planned.any else ()
        units = tuple(
            Unit(
                id=f"{stream.name}/{piece.id}" if piece.id else stream.name,
                spec={
                    "span": planned.span.to_json() if planned.span else None,
                    "piece": piece.condition,
                    "shared": len(pieces) > 1,
                },
                rows=piece.rows,
            )
            for piece in pieces
        )
        return Window(
            units=units,
            fingerprint=planned.fingerprint or secrets.token_hex(12),
            before=since if planned.after is not None else None,
            after=planned.after,
            bounds=planned.bounds,
            whole=planned.whole,
        )

    def read(self, stream: Stream, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Stream one part of a window."""
        from dativo_dagster.state.window import Span

        where = f"{_about(stream.name)}, {unit.id}"
        with self._connected(where) as connection:
            relation = self._relation(connection, stream)
            self._join(connection, relation, alone=not unit.spec.get("shared"))
            columns = selected(self.dialect, relation, self.context.contract)
            span = Span.from_json(unit.spec["span"]) if unit.spec.get("span") else None
            conditions = [self.dialect.condition(span)] if span else []
            conditions += [unit.spec["piece"]] if unit.spec.get("piece") else []
            for batch in connection.batches(_statement(self.dialect, relation, columns, conditions)):
                self._count(unit, batch)
                yield from _cut(self.dialect.guarded([(c, f) for c, f, _ in columns], batch), self.config.batch_rows)

    def position(self, unit: Unit) -> int:
        """Give the bytes of a unit as Arrow has them, so far."""
        return self._bytes.get(unit.id, 0)

    def reached(self, window: Window) -> Cursor | None:
        """Give the cursor of the window's end, or that of its start when no row came: nothing is to be committed."""
        self.close()
        return window.after if self._rows or window.before is None else window.before

    def resume(self, value: object) -> Cursor:
        """Give the cursor just behind the highest value of the cursor column that a table has."""
        stream = Stream(name=self.context.object)
        with self._connected(_about(stream.name)) as connection:
            relation = self._relation(connection, stream)
            windows = Windows(self.config, self.context, self.dialect, connection, relation)
            return windows.resumed(self._cursor_field(stream), value)

    def cancel(self) -> None:
        """End every query at the server, and refuse new ones."""
        with self._lock:
            self._cancelled, running = True, list(self._open)
        for connection in running:
            with suppress(Exception):  # one that has just ended
                connection.cancel()
        self.close()

    def close(self) -> None:
        """Let go of the state of the database that the units shared."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    @contextmanager
    def _connected(self, where: str) -> Iterator[Connection]:
        """Hold a session, known to `cancel`; give its errors as ours, and each with ``where`` in it."""
        try:
            connection = self.dialect.connect()
        except DativoError as error:
            raise _told(error, where) from error.__cause__
        except Exception as error:
            raise self.dialect.translate(error, where) from error
        try:
            self._known(connection, where)
            yield connection
        except GeneratorExit:
            raise
        except DativoError as error:
            raise _told(error, where) from error.__cause__
        except Exception as error:
            raise self.dialect.translate(error, where) from error
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _known(self, connection: Connection, where: str) -> None:
        with self._lock:
            self._open.add(connection)
            if self._cancelled:
                raise ConnectionError(f"{where}: the run was cancelled", "CANCELLED", retryable=False)

    def _named(self, connection: Connection) -> list[Relation]:
        """Give the relations that the configuration or the job names, described."""
        if self.config.query:
            return [self.dialect.query(connection, "query", self.config.query)]
        relations = self.dialect.relations(connection)
        if not self.config.tables and not self.context.object:
            return []
        if not self.config.tables:
            return [self._relation(connection, Stream(name=self.context.object))]
        for item in self.config.tables:
            if "*" not in item.name:
                find(item.name, relations, self.dialect.schemas(connection), self.dialect.name)
        return tables_of(self.config, relations)

    def _relation(self, connection: Connection, stream: Stream) -> Relation:
        """Give what a stream reads, described once."""
        with self._lock:
            known = self._relations.get(stream.name)
        if known is None:
            known = self._described(connection, stream.name)
            with self._lock:
                self._relations[stream.name] = known
        return known

    def _described(self, connection: Connection, name: str) -> Relation:
        if self.config.query:
            return self.dialect.query(connection, name, self.config.query)
        item = item_of(self.config, name)
        said = item is not None and "*" not in item.name
        wanted = item.name if item and said else name
        every = self.dialect.relations(connection)
        relations = every if said else tables_of(self.config, every)
        found = find(wanted, relations, self.dialect.schemas(connection), self.dialect.name, said=said)
        return self.dialect.describe(connection, [found])[0]

    def _cursor_field(self, stream: Stream) -> str | None:
        """Give the cursor column: the job's; a table of the earlier system may only say the same."""
        rule = self.context.incremental
        item = item_of(self.config, stream.name)
        if rule is None:
            return None
        own = item.cursor_field if item else None
        if own and rule.cursor_field and own != rule.cursor_field:
            raise ConfigurationError(
                f"stream {stream.name!r}: `incremental` says the cursor is {rule.cursor_field!r} and `tables` says "
                f"{own!r}; say one of them",
                "CURSOR_UNUSABLE",
            )
        return rule.cursor_field or own

    def _parts(self, relation: Relation, *, whole: bool) -> int:
        if self.config.splits is not None:
            return self.config.splits
        large = whole and (relation.rows or 0) >= LARGE_ROWS
        return max(1, self.context.parallelism) if large else 1

    def _join(self, connection: Connection, relation: Relation, *, alone: bool) -> None:
        """See what the other units see, or what the whole job sees."""
        session: Session | None = self.context.session
        if not alone:
            with self._lock:
                session = session or self._session or Session.open(self.dialect)
                self._session = None if session is self.context.session else session
                session.pin(self.dialect, relation)
        if session is not None and session.shared is not None:
            self.dialect.join(connection, session.shared)

    def _count(self, unit: Unit, batch: pa.RecordBatch) -> None:
        with self._lock:
            self._rows += batch.num_rows
            self._bytes[unit.id] = self._bytes.get(unit.id, 0) + batch.nbytes


def _about(stream: str) -> str:
    """Name a stream, for errors; a reader that is opened only to look around is of none."""
    return f"stream {stream!r}" if stream else "database"


def _told(error: DativoError, where: str) -> DativoError:
    """Say in an error which stream it is about."""
    if where not in error.message:
        error.message = f"{where}: {error.message}"
        error.args = (error.message,)
    return error


def _stream(relation: Relation) -> Stream:
    columns = tuple(
        Column(name=c.name, type=c.logical, nullable=c.nullable, description=c.comment) for c in relation.columns
    )
    types = {c.name: c.type for c in relation.columns}
    facts = {"kind": relation.kind, "rows": relation.rows, "bytes": relation.bytes, "types": types}
    return Stream(
        name=relation.name,
        columns=columns,
        primary_key=relation.key,
        description=relation.comment,
        properties={k: v for k, v in facts.items() if v is not None},
    )


def _statement(dialect: Dialect, relation: Relation, columns: Selected, conditions: Sequence[str]) -> str:
    chosen = ", ".join(f"{expression} AS {dialect.quote(column.name)}" for column, _, expression in columns)
    where = f" WHERE {' AND '.join(f'({c})' for c in conditions)}" if conditions else ""
    return f"SELECT {chosen} FROM {relation.source}{where}"  # noqa: S608 - names and values are quoted by the dialect


def _cut(batch: pa.RecordBatch, most_rows: int | None) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, most_rows or max(batch.num_rows, 1)):
        yield batch.slice(start, most_rows)
