"""Any database that has a SQLAlchemy dialect: the general way, by rows, for what no faster one reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from dativo_dagster.connectors.sql.base import Connection, Relation, SqlColumn
from dativo_dagster.connectors.sql.plain import PlainConfig, PlainDialect, derived, moment
from dativo_dagster.connectors.sql.reader import SqlReader

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.config.job import SourceContext
    from dativo_ingest.exceptions import DativoError

BATCH_ROWS = 10_000
SAMPLE_ROWS = 1_000
_SESSION = {
    "postgresql": "SET TIME ZONE 'UTC'",
    "mysql": "SET time_zone = '+00:00'",
    "mariadb": "SET time_zone = '+00:00'",
    "oracle": "ALTER SESSION SET TIME_ZONE = 'UTC'",
}
_CLOCK = {
    "mysql": "SELECT UTC_TIMESTAMP(6) AS n",
    "mariadb": "SELECT UTC_TIMESTAMP(6) AS n",
    "mssql": "SELECT SYSUTCDATETIME() AS n",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) AS n FROM dual",
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'now') AS n",
}
_BACKSLASHES = frozenset({"mysql", "mariadb"})


class Config(PlainConfig):
    """Options of the source; ``options`` go to SQLAlchemy's create_engine."""

    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of create_engine")


class Reader(SqlReader):
    """Reads a database through SQLAlchemy."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        super().__init__(config, context, AlchemyDialect(config))


class AlchemyConnection:
    """A session at the database; it is rolled back when it is closed."""

    def __init__(self, config: Config) -> None:
        from sqlalchemy import create_engine, pool

        self._rows = config.batch_rows or BATCH_ROWS
        engine = create_engine(config.secret_url() or "", poolclass=pool.NullPool, **config.options)
        self.engine = engine
        self._link = engine.connect().execution_options(no_parameters=True)
        if engine.dialect.name in _SESSION:
            self.run(_SESSION[engine.dialect.name])

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a small query and give its rows."""
        with closing(self._link.exec_driver_sql(sql, tuple(parameters) or None)) as result:
            return [dict(row) for row in result.mappings()]

    def run(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._link.exec_driver_sql(sql)

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Stream a query by the server's own cursor, where the driver has one."""
        from dativo_dagster.connectors.sql.alchemy_rows import batch

        with closing(self._streamed(sql)) as result:
            names = list(result.keys())
            for rows in result.partitions(self._rows):
                yield batch(names, rows)

    def first(self, sql: str) -> tuple[list[str], Sequence[Any]]:
        """Give the names of a query's columns, and its first rows."""
        with closing(self._streamed(sql)) as result:
            return list(result.keys()), result.fetchmany(SAMPLE_ROWS)

    def _streamed(self, sql: str) -> Any:
        return self._link.exec_driver_sql(sql, execution_options={"stream_results": True, "max_row_buffer": self._rows})

    def cancel(self) -> None:
        """End the query that runs, by drivers that can."""
        raw = self._link.connection.driver_connection
        for name in ("cancel", "interrupt"):
            with suppress(Exception):  # it has just ended, or cannot be ended
                getattr(raw, name)()

    def close(self) -> None:
        """Leave."""
        with suppress(Exception):  # it is broken already
            self._link.close()
        self.engine.dispose()


class AlchemyDialect(PlainDialect):
    """What SQLAlchemy knows of any database."""

    name = "SQLAlchemy"

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def _backend(self) -> str:
        return str(self._dialect.name)

    @cached_property
    def _dialect(self) -> Any:
        from sqlalchemy.engine import make_url

        return make_url(self.config.secret_url() or "").get_dialect()()

    def connect(self) -> AlchemyConnection:
        """Open a session."""
        return AlchemyConnection(self.config)

    def translate(self, error: BaseException, where: str) -> DativoError:
        """Give an error of the driver as one of ours."""
        from dativo_dagster.connectors.sql.alchemy_errors import translate

        return translate(error, where, self.config.secret_url())

    def quote(self, name: str) -> str:
        """Write one identifier."""
        return str(self._dialect.identifier_preparer.quote_identifier(name))

    def schemas(self, connection: Connection) -> Sequence[str]:
        """Give the schema that names without one mean."""
        found = _inspector(connection).default_schema_name
        return [found] if found else []

    def relations(self, connection: Connection) -> Sequence[Relation]:
        """List the tables and views of the default schema, and of those that the job names."""
        inspector = _inspector(connection)
        said = {t.name.partition(".")[0] for t in self.config.tables if "." in t.name}
        wanted = inspector.get_schema_names() if "*" in "".join(said) else [*self.schemas(connection), *sorted(said)]
        return [
            self._relation(schema, name, kind)
            for schema in dict.fromkeys(wanted)
            for kind, names in (
                ("table", inspector.get_table_names(schema)),
                ("view", inspector.get_view_names(schema)),
            )
            for name in sorted(names)
        ]

    def describe(self, connection: Connection, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Add what SQLAlchemy reflects."""
        from dativo_dagster.connectors.sql.alchemy_rows import logical

        inspector = _inspector(connection)
        found = []
        for relation in relations:
            place = relation.facts["table"], relation.facts["schema"]
            columns = tuple(
                SqlColumn(
                    name=c["name"],
                    type=str(c["type"]),
                    logical=logical(c["type"]),
                    nullable=bool(c.get("nullable", True)),
                    comment=c.get("comment") or "",
                )
                for c in inspector.get_columns(*place)
            )
            key = (
                inspector.get_pk_constraint(*place).get("constrained_columns") or () if relation.kind == "table" else ()
            )
            found.append(replace(relation, columns=columns, key=tuple(key), comment=_comment(inspector, place)))
        return found

    def query(self, connection: Connection, name: str, sql: str) -> Relation:
        """Describe a query by its first rows, since drivers do not agree on how to say what a column is."""
        from dativo_dagster.connectors.sql.alchemy_rows import batch
        from dativo_dagster.validation.typemap import logical_field

        source = derived(sql)
        link = cast("AlchemyConnection", connection)
        fields = batch(*link.first(f"SELECT * FROM {source}")).schema  # noqa: S608 - the job's own
        columns = tuple(SqlColumn(name=f.name, type=str(f.type), logical=str(logical_field(f))) for f in fields)
        return Relation(name=name, source=source, kind="query", columns=columns)

    def now(self, connection: Connection) -> datetime:
        """Give the server's clock."""
        return moment(connection.rows(_CLOCK.get(self._backend, "SELECT CURRENT_TIMESTAMP AS n"))[0]["n"])

    def literal(self, kind: str, value: str) -> str:
        """Write a value of a kind of cursor; a moment as text, which these databases compare as one."""
        if self._backend == "oracle" or kind in {"integer", "numeric", "text"}:
            return super().literal(kind, value)
        return self.text(value.replace("T", " "))

    def text(self, value: str) -> str:
        """Write a text."""
        return super().text(value.replace("\\", "\\\\") if self._backend in _BACKSLASHES else value)

    def _relation(self, schema: str, name: str, kind: str) -> Relation:
        return Relation(
            name=f"{schema}.{name}",
            source=f"{self.quote(schema)}.{self.quote(name)}",
            kind=kind,
            facts={"schema": schema, "table": name},
        )


def _inspector(connection: Connection) -> Any:
    from sqlalchemy import inspect

    return inspect(cast("AlchemyConnection", connection).engine)


def _comment(inspector: Any, place: Sequence[str]) -> str:
    with suppress(NotImplementedError):  # some databases have none
        return str(inspector.get_table_comment(*place).get("text") or "")
    return ""
