"""PostgreSQL as a `base.Dialect`."""

# ruff: noqa: S608 - names are quoted, and so are values

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dativo_dagster.connectors.sql import pg_catalog, pg_types
from dativo_dagster.connectors.sql.base import Connection, Piece, Relation, SqlColumn
from dativo_dagster.connectors.sql.columns import column_of
from dativo_dagster.connectors.sql.pg_connection import PgConnection
from dativo_dagster.connectors.sql.pg_errors import translate
from dativo_dagster.connectors.sql.pieces import by_number, ranges
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.config.contract import Field
    from dativo_dagster.connectors.sql.config import SqlConfig
    from dativo_dagster.state.window import Kind, Span
    from dativo_ingest.exceptions import DativoError

BY_CTID_SINCE = 140_000
"""The first version, as server_version_num has it, that scans a range of ctid without reading the whole table."""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LITERAL = {"timestamptz": "::timestamptz", "timestamp": "::timestamp", "date": "::date", "numeric": "::numeric"}

# A replica has no row yet that was committed after the last one it replayed, so its clock is that commit's.
_NOW = """
SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_xact_replay_timestamp(), 'epoch')
            ELSE statement_timestamp() END AS now
"""
_PAGES = """
SELECT (max(pg_relation_size(relid)) / current_setting('block_size')::int8)::int8 AS pages
FROM (SELECT {oid}::oid::regclass AS relid UNION SELECT relid FROM pg_partition_tree({oid}::oid)) AS parts
"""


class PgDialect:
    """All that PostgreSQL does in its own way."""

    name = "PostgreSQL"

    def __init__(self, config: SqlConfig) -> None:
        self.config = config

    def connect(self) -> PgConnection:
        """Open a session."""
        return PgConnection(self.config)

    def translate(self, error: BaseException, where: str) -> DativoError:
        """Give an error of the driver as one of ours."""
        return translate(error, where)

    def quote(self, name: str) -> str:
        """Write one identifier."""
        return pg_catalog.quote(name)

    def schemas(self, connection: Connection) -> Sequence[str]:
        """Give the search path."""
        return [row["s"] for row in connection.rows("SELECT unnest(current_schemas(false))::text AS s")]

    def relations(self, connection: Connection) -> Sequence[Relation]:
        """List tables, views and materialised views, those of foreign servers included."""
        return pg_catalog.relations(connection)

    def describe(self, connection: Connection, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Give relations with their columns, keys and comments."""
        return pg_catalog.describe(connection, relations)

    def query(self, connection: Connection, name: str, sql: str) -> Relation:
        """Describe a query by its result when it is joined to nothing, which the server finds without running it."""
        link = cast("PgConnection", connection)
        source = f"(\n{sql.strip().rstrip(';')}\n) AS dativo_query"
        fields = list(link.schema(f"SELECT * FROM {source}"))
        typed = ", ".join(
            f"pg_typeof(dativo_query.{self.quote(f.name)})::oid::int8 AS c{i}" for i, f in enumerate(fields)
        )
        (oids,) = link.rows(f"SELECT {typed} FROM (SELECT 1) AS one LEFT JOIN {source} ON false")
        known = pg_catalog.types(link, set(oids.values()))
        columns = [
            pg_types.column_of(f.name, oid, known, written=known[oid]["name"], modifier=_modifier(f))
            for f, oid in zip(fields, oids.values(), strict=True)
        ]
        return Relation(name=name, source=source, kind="query", columns=tuple(columns))

    def now(self, connection: Connection) -> datetime:
        """Give the server's clock; a replica's is that of the last commit that it has."""
        return cast("datetime", connection.rows(_NOW)[0]["now"])

    def kind(self, column: SqlColumn) -> Kind | None:
        """Say what kind of cursor a column can be."""
        return pg_types.kind(column)

    def highest(self, connection: Connection, relation: Relation, column: SqlColumn) -> str | None:
        """Give the highest value of a column as text."""
        name = self._ordered(column.name, str(self.kind(column)))
        found = connection.rows(f"SELECT max({name})::text AS m FROM {relation.source}")[0]["m"]
        if self.kind(column) == "numeric" and found in {"NaN", "Infinity"}:
            raise ConfigurationError(
                f"{relation.name}: column {column.name!r} has the value {found}, after which nothing can come",
                "CURSOR_UNUSABLE",
            )
        return None if found is None else str(found)

    def condition(self, span: Span) -> str:
        """Write a span as a condition."""
        if span.values:
            return f"{self.quote(span.column)} IN ({', '.join(map(_text, span.values))})"
        name, ends = self._ordered(span.column, span.kind), []
        if span.lower is not None:
            ends.append(f"{name} {'>' if span.after_lower else '>='} {_literal(span.kind, span.lower)}")
        if span.upper is not None:
            ends.append(f"{name} {'<=' if span.with_upper else '<'} {_literal(span.kind, span.upper)}")
        both = " AND ".join(ends) or f"{name} IS NOT NULL"
        return f"({both}) OR {self.quote(span.column)} IS NULL" if span.nulls else both

    def expression(self, column: SqlColumn, field: Field) -> str:
        """Write how a column is selected for a field of the contract."""
        return pg_types.expression(self.quote(column.name), column, field)

    def pieces(self, connection: Connection, relation: Relation, parts: int, by: str | None) -> Sequence[Piece]:
        """Cut a relation along a column of whole numbers, or a table along its pages."""
        if by is not None and parts > 1:
            column = column_of(relation, by)
            if self.kind(column) != "integer":
                raise ConfigurationError(
                    f"{relation.name}: `partition_by` needs whole numbers, and {by!r} is {column.type}", "BAD_OPTION"
                )
            return by_number(connection, relation, self.quote(by), parts, nullable=column.nullable)
        paged = relation.kind in {"table", "matview", "partitioned"} and relation.facts["version"] >= BY_CTID_SINCE
        if not paged or parts == 1:
            return [Piece(id="", rows=relation.rows)]
        pages = connection.rows(_PAGES.format(oid=relation.facts["oid"]))[0]["pages"] or 0
        rows = None if relation.rows is None else relation.rows // parts
        return [replace(p, rows=rows) for p in ranges("ctid", 0, pages, parts, lambda page: f"'({page},0)'::tid")]

    def guarded(self, columns: Sequence[tuple[SqlColumn, Field]], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Unpack numbers, and refuse what the driver or Arrow cannot say."""
        from dativo_dagster.connectors.sql.pg_guard import guarded

        return guarded(batch, [pg_types.packed(column, field) for column, field in columns])

    def share(self, connection: Connection) -> str | None:
        """Export a snapshot."""
        connection.run(_BEGIN)
        return str(connection.rows("SELECT pg_export_snapshot()::text AS s")[0]["s"])

    def join(self, connection: Connection, shared: str) -> None:
        """Import a snapshot."""
        connection.run(_BEGIN)
        connection.run(f"SET TRANSACTION SNAPSHOT {_text(shared)}")

    def pin(self, holder: Connection, relation: Relation) -> None:
        """Lock a relation against VACUUM FULL and the like: between two parts they would give its rows new pages."""
        holder.rows(f"SELECT 1 AS one FROM {relation.source} WHERE false")

    def _ordered(self, name: str, kind: str) -> str:
        """Write a column as it is compared: texts by their bytes, so that no locale has a say."""
        return f'{self.quote(name)} COLLATE "C"' if kind == "text" else self.quote(name)


def _literal(kind: str, value: str) -> str:
    return str(int(value)) if kind == "integer" else _text(value) + _LITERAL.get(kind, "")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _modifier(field: pa.Field) -> int:
    return int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1"))
