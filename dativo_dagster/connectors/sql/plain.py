"""What databases share that are only known by a driver: standard SQL. `adbc` and `sqlalchemy` are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from dativo_dagster.config import types as lt
from dativo_dagster.connectors.sql.base import Connection, Piece, Relation, SqlColumn
from dativo_dagster.connectors.sql.columns import column_of
from dativo_dagster.connectors.sql.config import SqlConfig
from dativo_dagster.connectors.sql.pieces import by_number
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.contract import Field
    from dativo_dagster.state.window import Kind, Span

_NOT_HERE = (
    "host",
    "port",
    "database",
    "user",
    "password",
    "tls",
    "statement_timeout",
    "read_replica",
    "connect_timeout",
)
_LITERAL = {"date": "DATE ", "timestamp": "TIMESTAMP ", "timestamptz": "TIMESTAMP WITH TIME ZONE "}


class PlainConfig(SqlConfig):
    """Options of a source that only its driver knows: the address and all that it may be told are the driver's."""

    @model_validator(mode="after")
    def _only_what_works(self) -> PlainConfig:
        said = [name for name in _NOT_HERE if name in self.model_fields_set]
        if said:
            raise ValueError(f"`{said[0]}` is the driver's own affair here: say it in the address or in `options`")
        if self.snapshot == "job":
            raise ValueError("`snapshot: job` needs a database that is known here: postgres, mysql or mariadb")
        return self

    def secret_url(self) -> str | None:
        """Give the address in clear, for a driver."""
        return self.url.get_secret_value() if self.url else None


class PlainDialect:
    """What standard SQL says; a part that knows its driver adds how to connect and what there is."""

    name = "database"

    def quote(self, name: str) -> str:
        """Write one identifier."""
        return '"' + name.replace('"', '""') + '"'

    def kind(self, column: SqlColumn) -> Kind | None:
        """Say what kind of cursor a column can be, by its logical type."""
        kind = lt.parse_type(column.logical)
        if isinstance(kind, lt.Timestamp):
            return "timestamptz" if kind.zoned else "timestamp"
        if isinstance(kind, lt.Decimal):
            return "numeric"
        if "int" in str(kind):
            return "integer"
        return {"date": "date", "string": "text"}.get(str(kind))  # type: ignore[return-value]

    def now(self, connection: Connection) -> datetime:
        """Give the server's clock; one without a zone is taken for UTC."""
        return moment(connection.rows("SELECT CURRENT_TIMESTAMP AS n")[0]["n"])

    def highest(self, connection: Connection, relation: Relation, column: SqlColumn) -> str | None:
        """Give the highest value of a column as text."""
        sql = f"SELECT MAX({self.quote(column.name)}) AS m FROM {relation.source}"  # noqa: S608 - quoted
        found = connection.rows(sql)[0]["m"]
        if isinstance(found, float):
            raise ConfigurationError(
                f"{relation.name}: column {column.name!r} has floats, which cannot tell what is new", "CURSOR_UNUSABLE"
            )
        return format(found, "f") if isinstance(found, Decimal) else None if found is None else str(found)

    def condition(self, span: Span) -> str:
        """Write a span as a condition."""
        name, ends = self.quote(span.column), []
        if span.values:
            return f"CAST({name} AS VARCHAR(255)) IN ({', '.join(map(self.text, span.values))})"
        if span.lower is not None:
            ends.append(f"{name} {'>' if span.after_lower else '>='} {self.literal(span.kind, span.lower)}")
        if span.upper is not None:
            ends.append(f"{name} {'<=' if span.with_upper else '<'} {self.literal(span.kind, span.upper)}")
        both = " AND ".join(ends) or f"{name} IS NOT NULL"
        return f"({both}) OR {name} IS NULL" if span.nulls else both

    def literal(self, kind: str, value: str) -> str:
        """Write a value of a kind of cursor."""
        if kind in {"integer", "numeric"}:
            return value
        return f"{_LITERAL.get(kind, '')}{self.text(value.replace('T', ' ') if kind in _LITERAL else value)}"

    def text(self, value: str) -> str:
        """Write a text."""
        return "'" + value.replace("'", "''") + "'"

    def expression(self, column: SqlColumn, field: Field) -> str:  # noqa: ARG002 - validation knows what fits
        """Write how a column is selected: as it is."""
        return self.quote(column.name)

    def pieces(self, connection: Connection, relation: Relation, parts: int, by: str | None) -> Sequence[Piece]:
        """Cut a relation along the column that the job names; without one it stays whole."""
        if by is None or parts == 1:
            return [Piece(id="", rows=relation.rows)]
        column = column_of(relation, by)
        if self.kind(column) != "integer":
            raise ConfigurationError(
                f"{relation.name}: `partition_by` needs whole numbers, and {by!r} is {column.type}", "BAD_OPTION"
            )
        return by_number(connection, relation, self.quote(by), parts, nullable=column.nullable)

    def guarded(self, columns: Sequence[tuple[SqlColumn, Field]], batch: pa.RecordBatch) -> pa.RecordBatch:  # noqa: ARG002
        """Take a batch as the driver gives it."""
        return batch

    def share(self, connection: Connection) -> Any:  # noqa: ARG002
        """Share nothing: standard SQL has no state of the database for two sessions."""
        return None

    def join(self, connection: Connection, shared: Any) -> None:
        """Never called, since nothing is shared."""


def moment(value: Any) -> datetime:
    """Make a moment of what a driver gives for one."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def derived(sql: str) -> str:
    """Write a query so that it stands after FROM."""
    return f"(\n{sql.strip().rstrip(';')}\n) dativo_query"  # Oracle has no AS here
