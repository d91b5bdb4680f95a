"""One session at PostgreSQL through ADBC: binary COPY becomes Arrow in C, without a row in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.connectors.sql.config import SqlConfig

APPLICATION = "dativo"
BATCH_BYTES = 8 * 1024 * 1024
_SESSION = {
    "TimeZone": "UTC",
    "IntervalStyle": "iso_8601",
    "DateStyle": "ISO",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "on",
}
"""What makes casts to text the same whatever the server is set to."""


class PgConnection:
    """A session that is not in a transaction until it is told to be."""

    def __init__(self, config: SqlConfig) -> None:
        import adbc_driver_postgresql.dbapi as driver

        self._link = driver.connect(conninfo(config), autocommit=True)
        self._running: Any = None
        try:
            self.rows(f"SELECT {', '.join(_settings(config))}")
        except BaseException:
            self.close()
            raise

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

    def schema(self, sql: str) -> pa.Schema:
        """Give the columns that a query would have, with their PostgreSQL types as metadata."""
        with closing(self._link.cursor()) as cursor:
            found: pa.Schema = cursor.adbc_execute_schema(sql)
            return found

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Stream a query in batches of about eight megabytes."""
        from adbc_driver_postgresql import StatementOptions

        cursor = self._running = self._link.cursor()
        try:
            cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)})
            cursor.execute(sql)
            yield from cursor.fetch_record_batch()
        except GeneratorExit:
            self.cancel()
            raise
        finally:
            self._running = None
            cursor.close()

    def cancel(self) -> None:
        """Ask the server to end the query that runs, from any thread."""
        running = self._running
        if running is not None:
            with suppress(Exception):  # it has just ended
                running.adbc_cancel()

    def close(self) -> None:
        """Leave: the server ends the transaction and its cursor."""
        self._link.close()


def conninfo(config: SqlConfig) -> str:
    """Write where to connect as libpq reads it. The result holds the password."""
    known = config.address()
    named = {key: known.get(key) for key in ("host", "port", "user", "password")}
    named |= {
        "dbname": known.get("database"),
        "application_name": APPLICATION,
        "connect_timeout": max(1, round(config.connect_timeout)),
        "client_encoding": "UTF8",
        "sslmode": config.tls.mode if "tls" in config.model_fields_set else None,
        "sslrootcert": config.tls.ca,
        "sslcert": config.tls.certificate,
        "sslkey": config.tls.key,
        "target_session_attrs": "standby" if config.read_replica else None,
    }
    found = {**(known.get("options") or {}), **config.options, **{k: v for k, v in named.items() if v is not None}}
    return " ".join(f"{key}='{_escaped(str(value))}'" for key, value in found.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _settings(config: SqlConfig) -> list[str]:
    timeout = {"statement_timeout": f"{round(config.statement_timeout * 1000)}ms"} if config.statement_timeout else {}
    return [f"set_config('{name}', '{value}', false) AS {name}" for name, value in {**_SESSION, **timeout}.items()]
