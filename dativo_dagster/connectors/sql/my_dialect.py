"""MySQL and MariaDB as a `base.Dialect`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from typing import TYPE_CHECKING, cast

from dativo_dagster.connectors.sql import my_catalog, my_types
from dativo_dagster.connectors.sql.base import Connection, Piece, Relation, SqlColumn
from dativo_dagster.connectors.sql.columns import column_of
from dativo_dagster.connectors.sql.my_connection import MyConnection
from dativo_dagster.connectors.sql.my_errors import translate
from dativo_dagster.connectors.sql.my_snapshot import Snapshot
from dativo_dagster.connectors.sql.pieces import by_number
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.config.contract import Field
    from dativo_dagster.connectors.sql.my_config import MyConfig
    from dativo_dagster.state.window import Kind, Span
    from dativo_ingest.exceptions import DativoError


class MyDialect:
    """All that MySQL and MariaDB do in their own way."""

    name = "MySQL"

    def __init__(self, config: MyConfig, sessions: int = 1) -> None:
        self.config, self.sessions = config, sessions

    def connect(self) -> MyConnection:
        """Open a session."""
        return MyConnection(self.config)

    def translate(self, error: BaseException, where: str) -> DativoError:
        """Give an error of the driver as one of ours."""
        return translate(error, where)

    def quote(self, name: str) -> str:
        """Write one identifier."""
        return my_catalog.quote(name)

    def schemas(self, connection: Connection) -> Sequence[str]:
        """Give the database that the session is in; a database is what others call a schema."""
        found = connection.rows("SELECT DATABASE() AS db")[0]["db"]
        return [found] if found else []

    def relations(self, connection: Connection) -> Sequence[Relation]:
        """List tables and views: of the session's database, or of all where the job names another."""
        inside = all("." not in t.name for t in self.config.tables)
        return my_catalog.relations(connection, next(iter(self.schemas(connection)), None) if inside else None)

    def describe(self, connection: Connection, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Give relations with their columns, keys and comments."""
        return my_catalog.describe(connection, relations, is_mariadb=cast("MyConnection", connection).is_mariadb)

    def query(self, connection: Connection, name: str, sql: str) -> Relation:
        """Describe a query by the columns of its result."""
        source = f"(\n{sql.strip().rstrip(';')}\n) AS dativo_query"
        fields = cast("MyConnection", connection).fields(f"SELECT * FROM {source} LIMIT 0")  # noqa: S608 - the job's own
        return Relation(name=name, source=source, kind="query", columns=tuple(map(my_types.column_of_result, fields)))

    def now(self, connection: Connection) -> datetime:
        """Give the server's clock."""
        clock: datetime = connection.rows("SELECT UTC_TIMESTAMP(6) AS now")[0]["now"]
        return clock.replace(tzinfo=timezone.utc)

    def kind(self, column: SqlColumn) -> Kind | None:
        """Say what kind of cursor a column can be."""
        return my_types.kind(column)

    def highest(self, connection: Connection, relation: Relation, column: SqlColumn) -> str | None:
        """Give the highest value of a column as text."""
        name = self._ordered(column.name, str(self.kind(column)))
        sql = f"SELECT CAST(MAX({name}) AS CHAR) AS m FROM {relation.source}"  # noqa: S608 - quoted
        found = connection.rows(sql)[0]["m"]
        return found.decode() if isinstance(found, bytes) else found

    def condition(self, span: Span) -> str:
        """Write a span as a condition."""
        quoted = self.quote(span.column)
        if span.values:
            # As text: a number against a text would be compared as doubles, which takes near ones for equal.
            return f"CAST({quoted} AS CHAR) COLLATE utf8mb4_bin IN ({', '.join(map(my_catalog.text, span.values))})"
        name, ends = self._ordered(span.column, span.kind), []
        if span.lower is not None:
            ends.append(f"{name} {'>' if span.after_lower else '>='} {_literal(span.kind, span.lower)}")
        if span.upper is not None:
            ends.append(f"{name} {'<=' if span.with_upper else '<'} {_literal(span.kind, span.upper)}")
        both = " AND ".join(ends) or f"{name} IS NOT NULL"
        return f"({both}) OR {quoted} IS NULL" if span.nulls else both

    def expression(self, column: SqlColumn, field: Field) -> str:
        """Write how a column is selected for a field of the contract."""
        return my_types.expression(self.quote(column.name), column, field, zero_dates=self.config.zero_dates)

    def pieces(self, connection: Connection, relation: Relation, parts: int, by: str | None) -> Sequence[Piece]:
        """Cut a relation along a column of whole numbers: the one that is said, else the first of its key."""
        column = column_of(relation, by or relation.key[0]) if by or relation.key else None
        if by is not None and column is not None and self.kind(column) != "integer":
            raise ConfigurationError(
                f"{relation.name}: `partition_by` needs whole numbers, and {by!r} is {column.type}", "BAD_OPTION"
            )
        if parts == 1 or column is None or self.kind(column) != "integer":
            return [Piece(id="", rows=relation.rows)]
        return by_number(connection, relation, self.quote(column.name), parts, nullable=column.nullable)

    def guarded(self, columns: Sequence[tuple[SqlColumn, Field]], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give each column as what it is at the source."""
        import pyarrow as pa

        arrays = [my_types.typed(c, f, array) for (c, f), array in zip(columns, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def share(self, connection: Connection) -> Snapshot:
        """Hold one state, for as many sessions at once as can be."""
        first = cast("MyConnection", connection)
        snapshot = Snapshot.open(first, self.connect, self.sessions)
        first.hold(snapshot)
        return snapshot

    def join(self, connection: Connection, shared: Snapshot) -> None:
        """Read by a session that sees the shared state, once one is free."""
        cast("MyConnection", connection).borrow(shared)

    def _ordered(self, name: str, kind: str) -> str:
        """Write a column as it is compared: texts by their bytes, so that no collation has a say."""
        return f"CAST(CONVERT({self.quote(name)} USING utf8mb4) AS BINARY)" if kind == "text" else self.quote(name)


def _literal(kind: str, value: str) -> str:
    if kind == "text":
        return f"X'{value.encode().hex()}'"
    if kind in {"integer", "numeric"}:
        return value
    return f"'{value.removesuffix('+00:00').replace('T', ' ')}'"
