"""Any database that has an ADBC driver: Arrow as the driver gives it.

``driver`` is a Python package such as adbc_driver_sqlite, the path of a shared library, or the name of a manifest.
Drivers and their options: https://arrow.apache.org/adbc/current/driver/status.html
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from dativo_dagster.connectors.sql.adbc_errors import translate
from dativo_dagster.connectors.sql.base import Connection, Relation, SqlColumn
from dativo_dagster.connectors.sql.plain import PlainConfig, PlainDialect, derived
from dativo_dagster.connectors.sql.reader import SqlReader

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import SourceContext
    from dativo_ingest.exceptions import DativoError


class Config(PlainConfig):
    """Options of the source."""

    driver: str = Field(min_length=1, description="Python package, path of a library, or name of a driver manifest")
    entrypoint: str | None = Field(default=None, description="function of the library that makes the driver")


class Reader(SqlReader):
    """Reads a database through its ADBC driver."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        super().__init__(config, context, AdbcDialect(config))


class AdbcConnection:
    """A session at the driver."""

    def __init__(self, config: Config) -> None:
        from adbc_driver_manager import dbapi

        self._link = dbapi.connect(
            driver=_library(config.driver),
            uri=config.secret_url(),
            entrypoint=config.entrypoint,
            db_kwargs=dict(config.options),
            autocommit=True,
        )
        self._running: Any = None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a small query and give its rows."""
        with closing(self._link.cursor()) as cursor:
            cursor.execute(sql, parameters or None)
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
            return found

    def run(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        with closing(self._link.cursor()) as cursor:
            cursor.execute(sql)

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Stream a query in the driver's own batches."""
        cursor = self._running = self._link.cursor()
        try:
            cursor.execute(sql)
            yield from cursor.fetch_record_batch()
        except GeneratorExit:
            self.cancel()
            raise
        finally:
            self._running = None
            cursor.close()

    def schema(self, sql: str) -> pa.Schema:
        """Give the columns of a query; a driver that cannot tell without running it runs it."""
        with closing(self._link.cursor()) as cursor:
            with suppress(self._link.NotSupportedError):
                found: pa.Schema = cursor.adbc_execute_schema(sql)
                return found
            cursor.execute(sql)
            return cast("pa.Schema", cursor.fetch_record_batch().schema)

    def table_schema(self, relation: Relation) -> pa.Schema:
        """Give the columns of a table."""
        facts = relation.facts
        found: pa.Schema = self._link.adbc_get_table_schema(
            facts["table"], catalog_filter=facts["catalog"], db_schema_filter=facts["schema"]
        )
        return found

    def objects(self) -> list[dict[str, Any]]:
        """Give all that the driver lists, as catalogs of schemas of tables."""
        found: list[dict[str, Any]] = self._link.adbc_get_objects(depth="all").read_all().to_pylist()
        return found

    def current_schema(self) -> str | None:
        """Give where a name without a schema is looked for; None when the driver cannot tell."""
        with suppress(Exception):  # each driver has its own way not to know
            return str(self._link.adbc_current_db_schema)
        return None

    def cancel(self) -> None:
        """Ask the driver to end the query that runs, from any thread."""
        running = self._running
        if running is not None:
            with suppress(Exception):  # it has just ended
                running.adbc_cancel()

    def close(self) -> None:
        """Leave."""
        self._link.close()


class AdbcDialect(PlainDialect):
    """What any ADBC driver can say."""

    name = "ADBC"

    def __init__(self, config: Config) -> None:
        self.config = config

    def connect(self) -> AdbcConnection:
        """Open a session."""
        return AdbcConnection(self.config)

    def translate(self, error: BaseException, where: str) -> DativoError:
        """Give an error of the driver as one of ours."""
        return translate(error, where, self.config.secret_url())

    def schemas(self, connection: Connection) -> Sequence[str]:
        """Give the schema of the session, and the one without a name."""
        found = cast("AdbcConnection", connection).current_schema()
        return [name for name in (found, "main", "public") if name]

    def relations(self, connection: Connection) -> Sequence[Relation]:
        """List the tables and views that the driver tells of."""
        objects = cast("AdbcConnection", connection).objects()
        return [
            self._relation(catalog["catalog_name"], schema["db_schema_name"], table)
            for catalog in objects
            for schema in catalog["catalog_db_schemas"] or ()
            for table in schema["db_schema_tables"] or ()
            if table["table_type"].lower() not in {"index", "sequence", "toast_table"}
        ]

    def describe(self, connection: Connection, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Add the columns as Arrow has them."""
        link = cast("AdbcConnection", connection)
        return [replace(r, columns=_columns(link.table_schema(r), r.facts)) for r in relations]

    def query(self, connection: Connection, name: str, sql: str) -> Relation:
        """Describe a query by its result."""
        schema = cast("AdbcConnection", connection).schema(sql.strip().rstrip(";"))
        return Relation(name=name, source=derived(sql), kind="query", columns=_columns(schema, {}))

    def _relation(self, catalog: str | None, schema: str | None, table: dict[str, Any]) -> Relation:
        said = {c["column_name"]: c for c in table["table_columns"] or ()}
        keys = [c for c in table["table_constraints"] or () if c["constraint_type"] == "PRIMARY KEY"]
        parts = [part for part in (schema or catalog, table["table_name"]) if part]
        return Relation(
            name=".".join(parts),
            source=".".join(map(self.quote, parts)),
            kind="view" if "view" in table["table_type"].lower() else "table",
            key=tuple(keys[0]["constraint_column_names"]) if keys else (),
            facts={"catalog": catalog, "schema": schema or None, "table": table["table_name"], "columns": said},
        )


def _library(driver: str) -> str:
    """Give the path of a driver that is a Python package; what is none is the driver manager's affair."""
    if driver.isidentifier():
        with suppress(ModuleNotFoundError):
            module = importlib.import_module(driver)
            return str(module._driver_path())  # noqa: SLF001 - what all of these packages have for it
    return driver


def _columns(schema: pa.Schema, facts: Any) -> tuple[SqlColumn, ...]:
    from dativo_dagster.validation.typemap import logical_field

    said = facts.get("columns", {})
    return tuple(
        SqlColumn(
            name=field.name,
            type=said.get(field.name, {}).get("xdbc_type_name") or str(field.type),
            logical=str(logical_field(field)),
            nullable=said.get(field.name, {}).get("xdbc_is_nullable") != "NO",
            comment=said.get(field.name, {}).get("remarks") or "",
        )
        for field in schema
    )
