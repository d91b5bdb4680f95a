"""A table in a DuckDB file: one process at a time writes to it, and what it commits is there at once.

.. code-block:: yaml

    target: {connector: duckdb, path: shop.duckdb, table: sales.orders}
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

import os
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from dativo_dagster.config import types as lt
from dativo_dagster.config.location import EMBEDDED_ENV, EMBEDDED_FOLDER
from dativo_dagster.state.patience import tries
from dativo_dagster.tables.sql.ducktypes import native
from dativo_dagster.tables.sql.session import INCOMING, Name, Native, listed, quoted
from dativo_dagster.tables.sql.staging import Staging
from dativo_dagster.tables.sql.table import SqlTable
from dativo_ingest.exceptions import CommitError, ConfigurationError, DativoError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb
    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_ingest.model import Column

BATCH_ROWS = 64 * 1024
WAIT_SECONDS = 10.0
_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class Config(BaseModel):
    """Options of a target in a DuckDB file."""

    model_config = ConfigDict(extra="forbid")

    path: str | None = Field(
        default=None,
        description="The file; `warehouse.duckdb` below DATIVO_WAREHOUSE or .dativo/warehouse when left out.",
    )
    staging: str | None = Field(default=None, description="Folder for rows until their commit: local, s3:// or gs://.")
    connection: dict[str, Any] = Field(default_factory=dict, description="How to reach the store of `staging`.")
    memory_limit: str | None = Field(default=None, description="The most that DuckDB takes, such as 2GB.")


class Table(SqlTable):
    """A table in a DuckDB file, or the place where one will be."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        home = os.environ.get(EMBEDDED_ENV) or EMBEDDED_FOLDER
        path = Path(config.path or f"{home}/warehouse.duckdb").expanduser().absolute()
        super().__init__(File(path, config.memory_limit), spec, Staging(spec, config.staging, config.connection))


class File:
    """The dialect of DuckDB, for one file."""

    label = "DuckDB"
    default_schema = "main"
    longest_name: int | None = None
    folds_case = True
    indexes = False

    def __init__(self, path: Path, memory_limit: str | None) -> None:
        self.path = path
        self.settings = {"TimeZone": "UTC", "arrow_lossless_conversion": "true"}
        if memory_limit:
            self.settings["memory_limit"] = memory_limit

    def check(self, name: Name) -> None:  # noqa: ARG002 - whoever may write the file may write every table
        """Open the file, or see that it can be made."""
        from dativo_dagster.storage import open_storage

        if self.exists():
            with self.open():
                return
        probe = f"{self.path}.check"
        storage = open_storage(probe)
        storage.write(probe, b"")
        storage.delete(probe)

    def exists(self) -> bool:
        """Say whether the file is there."""
        return self.path.exists()

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Connect. Connections of one process share the file; another one waits a little and is told to come again.

        Raises:
            TransientError: ``DATABASE_LOCKED``.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connected()
        try:
            self._set(connection)
            yield Connection(connection, str(self.path))
        finally:
            connection.close()

    def _connected(self) -> duckdb.DuckDBPyConnection:
        """Connect once no other process has the file; runs beside us have it for moments."""
        for _ in tries(WAIT_SECONDS):
            found = self._connect()
            if not isinstance(found, TransientError):
                return found
            locked = found
        raise locked

    def _connect(self) -> duckdb.DuckDBPyConnection | TransientError:
        """Connect, or say that another process has the file."""
        import duckdb

        try:
            with _telling(str(self.path)):
                return duckdb.connect(str(self.path))
        except TransientError as error:
            if error.error_code != "DATABASE_LOCKED":
                raise
            return error

    def _set(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Settings go by statement: with others at its opening, who has the file open in this process is refused."""
        for name, value in self.settings.items():
            connection.execute(f"SET {name} = '{value}'")

    @contextmanager
    def serial(self) -> Iterator[None]:
        """Let one commit of this process after the other write: DuckDB ends the second of two with an error."""
        with _locks[str(self.path)]:
            yield

    def native(self, kind: lt.LogicalType) -> str | None:
        """Give DuckDB's type; None for what the installed version has no type for."""
        name = native(kind)
        return name if _has_type(name) else None

    def logical(self, native: str) -> lt.LogicalType | None:
        """Give the logical type of a column that somebody else made."""
        import duckdb

        from dativo_dagster.validation.typemap import logical_field

        with suppress(ConfigurationError), duckdb.connect() as connection:
            self._set(connection)
            return logical_field(connection.sql(f"SELECT CAST(NULL AS {native}) AS c").to_arrow_table().schema.field(0))
        return None


class Connection:
    """One connection to a DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str) -> None:
        self.connection = connection
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin; commit at the end of the block, roll back on an exception."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            import duckdb

            with suppress(duckdb.Error):  # a transaction that failed is over already
                self.connection.execute("ROLLBACK")
            raise

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and give how many rows it changed."""
        answer = self.rows(sql, parameters)
        return int(answer[0][0]) if answer and sql.startswith(("INSERT", "DELETE", "UPDATE", "WITH")) else 0

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query whose answer is small."""
        with _telling(self.path):
            return self.connection.execute(sql, list(parameters)).fetchall()

    def stream(self, name: Name, columns: Sequence[Column], tail: str = "") -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table."""
        from dativo_dagster.tables.sql.fitting import fitted, schema_of

        schema = schema_of(columns)
        sql = f"SELECT {listed(c.name for c in columns)} FROM {name} AS t {tail}"
        with _telling(self.path):
            for batch in self.connection.sql(sql).to_arrow_reader(BATCH_ROWS):
                yield fitted(batch, schema)

    def full(self, name: Name) -> Name:
        """Name the database too: ``shop.orders`` in ``shop.duckdb`` could be of the database or of a schema."""
        (database,) = self.rows("SELECT current_database()")[0]
        return replace(name, database=database)

    def schema_exists(self, schema: str) -> bool:
        """Say whether a schema is there."""
        return bool(self.rows("SELECT 1 FROM duckdb_schemas() WHERE database_name = current_database() "
                              "AND schema_name = $1", (schema,)))  # fmt: skip

    def natives(self, name: Name) -> list[Native]:
        """Give the columns of a table in order."""
        sql = (
            "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = current_database() "
            "AND schema_name = $1 AND table_name = $2 ORDER BY column_index"
        )
        return [Native(*row) for row in self.rows(sql, (name.schema, name.table))]

    def same_type(self, native_type: str, kind: lt.LogicalType) -> bool:
        """Say whether values of ``kind`` are stored as ``native_type``; DuckDB itself writes both in one way."""
        return bool(self.rows(f"SELECT typeof(CAST(NULL AS {native(kind)})) = $1", (native_type,))[0][0])

    def lock(self, name: Name, *, alone: bool) -> None:
        """Do nothing: `File.serial` did, and other processes cannot open the file."""

    def total(self, name: Name) -> int | None:
        """Count the rows; DuckDB knows without reading them."""
        return int(self.rows(f"SELECT count(*) FROM {name}")[0][0])

    def load(self, batches: Iterable[pa.RecordBatch], columns: Sequence[Column], into: str = INCOMING) -> None:
        """Put rows into a temporary table, which DuckDB keeps on disk when it is large."""
        self._put(f"CREATE TEMP TABLE {into} AS", batches, columns)

    def insert(self, name: Name, batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> None:
        """Put rows into the table itself."""
        self._put(f"INSERT INTO {name} ({listed(c.name for c in columns)})", batches, columns)

    def _put(self, statement: str, batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> None:
        import pyarrow as pa

        from dativo_dagster.tables.sql.fitting import schema_of

        typed = [(quoted(c.name), native(lt.parse_type(c.type))) for c in columns]
        cast = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in typed)
        with _telling(self.path):
            self.connection.register("_dativo_files", pa.RecordBatchReader.from_batches(schema_of(columns), batches))
            self.connection.execute(f"{statement} SELECT {cast} FROM _dativo_files")
            self.connection.unregister("_dativo_files")


@cache
def _has_type(name: str) -> bool:
    import duckdb

    with duckdb.connect() as connection, suppress(duckdb.CatalogException):
        connection.execute(f"SELECT CAST(NULL AS {name})")
        return True
    return False


@contextmanager
def _telling(path: str) -> Iterator[None]:
    """Turn what DuckDB raises into an error of ours; its messages may hold values of rows, so ours have none."""
    import duckdb

    try:
        yield
    except duckdb.TransactionException as error:
        raise CommitError(
            f"DuckDB file {path}: another commit was faster", "COMMIT_CONFLICT", retryable=True
        ) from error
    except duckdb.IOException as error:
        raise _io_error(path, str(error)) from error
    except duckdb.Error as error:
        raise CommitError(
            f"DuckDB file {path}: a statement failed ({type(error).__name__}); nothing of it is in the table",
            "WRITE_FAILED",
            {"path": path},
        ) from error


def _io_error(path: str, text: str) -> DativoError:
    if "lock" in text:
        return TransientError(
            f"DuckDB file {path} is open in another process, and one alone may write to it; end that process or let it "
            "close the file, then run again",
            "DATABASE_LOCKED",
            {"path": path},
        )
    return TransientError(
        f"DuckDB file {path} cannot be read or written: {text.splitlines()[0]}", "DATABASE_UNREACHABLE"
    )
