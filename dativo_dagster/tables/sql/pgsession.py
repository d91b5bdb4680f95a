"""One session at PostgreSQL through ADBC."""

# ruff: noqa: S608 - names are quoted, and so are values

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from dativo_dagster.tables.sql import pgerrors, pgtypes
from dativo_dagster.tables.sql.session import INCOMING, Name, Native, quoted
from dativo_ingest.exceptions import AuthenticationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config import types as lt
    from dativo_ingest.model import Column

_PARAMETER = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|\$(\d+)')


class PgSession:
    """A connection. Statements commit by themselves outside of `transaction`."""

    def __init__(self, conninfo: str, lock_timeout: float) -> None:
        import adbc_driver_postgresql.dbapi as driver

        with pgerrors.told("PostgreSQL"):
            self._link = driver.connect(conninfo, autocommit=True)
        self.execute("SET TimeZone = 'UTC'")
        self.execute("SET standard_conforming_strings = on")
        self.execute(f"SET lock_timeout = {round(lock_timeout * 1000)}")

    def close(self) -> None:
        """Leave; the server ends a transaction that is open."""
        self._link.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin; commit at the end of the block, roll back on an exception."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(Exception):  # the connection may be lost; what was raised first matters
                self.execute("ROLLBACK")
            raise

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and give how many rows it changed."""
        with pgerrors.told("PostgreSQL"), self._link.cursor() as cursor:
            cursor.execute(_written(sql, parameters))
            return max(0, int(cursor.rowcount))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query whose answer is small."""
        with pgerrors.told("PostgreSQL"), self._link.cursor() as cursor:
            cursor.execute(_written(sql, parameters))
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def stream(self, name: Name, columns: Sequence[Column], tail: str = "") -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table."""
        from dativo_dagster.tables.sql import pgwire
        from dativo_dagster.tables.sql.fitting import schema_of

        schema = schema_of(columns)
        sql = f"SELECT {', '.join(map(pgwire.asked, columns))} FROM {name} AS t {tail}"
        with pgerrors.told(str(name)), self._link.cursor() as cursor:
            cursor.execute(sql)
            for batch in cursor.fetch_record_batch():
                yield pgwire.received(batch, columns, schema)

    def full(self, name: Name) -> Name:
        """Give the name as it is: a connection is to one database."""
        return name

    def schema_exists(self, schema: str) -> bool:
        """Say whether a schema is there."""
        return bool(self.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", (schema,)))

    def natives(self, name: Name) -> list[Native]:
        """Give the columns of a table in order."""
        sql = (
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull FROM pg_catalog.pg_attribute a "
            "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'v') AND a.attnum > 0 "
            "AND NOT a.attisdropped ORDER BY a.attnum"
        )
        return [Native(*row) for row in self.rows(sql, (name.schema, name.table))]

    def same_type(self, native: str, kind: lt.LogicalType) -> bool:
        """Say whether a column of the type ``native`` keeps every value of ``kind``."""
        return pgtypes.same(native, kind)

    def lock(self, name: Name, *, alone: bool) -> None:
        """Wait for other runs by an advisory lock; alone, also for whoever else writes to the table."""
        number = int.from_bytes(hashlib.sha256(f"dativo {name}".encode()).digest()[:8], "big", signed=True)
        self.rows(f"SELECT pg_advisory_xact_lock{'' if alone else '_shared'}({number})::text")
        if alone and self.natives(name):
            self.execute(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")

    def total(self, name: Name) -> int | None:  # noqa: ARG002 - PostgreSQL would read the whole table
        """Give nothing: counting costs a scan."""
        return None

    def load(self, batches: Iterable[pa.RecordBatch], columns: Sequence[Column], into: str = INCOMING) -> None:
        """Put rows into a temporary table, by binary COPY."""
        from dativo_dagster.config.types import parse_type

        typed = ", ".join(f"{quoted(c.name)} {pgtypes.native(parse_type(c.type))}" for c in columns)
        self.execute(f"CREATE TEMPORARY TABLE {into} ({typed}) ON COMMIT DROP")
        self._copy(batches, columns, into, temporary=True)
        self.execute(f"ANALYZE {into}")

    def insert(self, name: Name, batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> None:
        """Put rows into the table itself, by binary COPY."""
        self._copy(batches, columns, name.table, db_schema_name=name.schema)

    def may_write(self, name: Name) -> None:
        """See that the user may write to the table, or make it.

        Raises:
            AuthenticationError: ``PERMISSION_DENIED``.
        """
        if self.natives(name):
            allowed = self.rows("SELECT has_table_privilege($1, 'INSERT')", (str(name),))
        elif self.schema_exists(name.schema):
            allowed = self.rows("SELECT has_schema_privilege($1, 'CREATE')", (name.schema,))
        else:
            allowed = self.rows("SELECT has_database_privilege(current_database(), 'CREATE')")
        if not allowed[0][0]:
            raise AuthenticationError(
                f"PostgreSQL: the user may not write to {name}; let an owner GRANT what is missing", "PERMISSION_DENIED"
            )

    def _copy(self, batches: Iterable[pa.RecordBatch], columns: Sequence[Column], table: str, **where: Any) -> None:
        import pyarrow as pa

        from dativo_dagster.tables.sql import pgwire

        sent = (pgwire.sent(batch, columns) for batch in batches)
        reader = pa.RecordBatchReader.from_batches(pgwire.sent_schema(columns), sent)
        with pgerrors.told(f"table {table}"), self._link.cursor() as cursor:
            cursor.adbc_ingest(table, reader, mode="append", **where)


def _written(sql: str, parameters: Sequence[Any]) -> str:
    """Put parameters into a statement as literals: the driver counts changed rows only of one without parameters."""

    def literal(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        return "'" + str(parameters[int(match[1]) - 1]).replace("'", "''") + "'"

    return _PARAMETER.sub(literal, sql) if parameters else sql
