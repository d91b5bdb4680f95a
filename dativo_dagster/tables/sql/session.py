"""What a database must be able to do to be a target: one connection, statements, a bulk load, and names of types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from dativo_dagster.config.types import LogicalType
    from dativo_ingest.model import Column

INCOMING = "_dativo_incoming"
"""Name of the relation that holds the rows of a run while they are loaded; only its connection sees it."""


@dataclass(frozen=True)
class Name:
    """A table in a schema; ``database`` is named where a schema alone could be taken for something else."""

    schema: str
    table: str
    database: str = ""

    @classmethod
    def parse(cls, identifier: str, default_schema: str) -> Name:
        """Read ``schema.table``, or ``table`` alone.

        Raises:
            ConfigurationError: ``BAD_TABLE_NAME``.
        """
        schema, _, table = identifier.rpartition(".")
        if not table or "." in schema or identifier.startswith(".") or table.startswith("_dativo_"):
            raise ConfigurationError(
                f"target.table {identifier!r}: a table in a database is named schema.table, and names that start with "
                "_dativo_ are ours",
                "BAD_TABLE_NAME",
            )
        return cls(schema or default_schema, table)

    def __str__(self) -> str:
        return f"{self.place}.{quoted(self.table)}"

    @property
    def place(self) -> str:
        """Give the schema as SQL has it."""
        return ".".join(quoted(part) for part in (self.database, self.schema) if part)

    def beside(self, table: str) -> Name:
        """Give another table of the same schema."""
        return Name(self.schema, table, self.database)


@dataclass(frozen=True)
class Native:
    """A column as the database has it; ``kind`` is its type as the database itself writes it."""

    name: str
    kind: str
    nullable: bool


class Session(Protocol):
    """One connection. Parameters of statements are ``$1``, ``$2``; what a driver raises comes out as an error of ours.

    An error that has the attribute ``retryable`` leaves a transaction that had no effect, or whose effect only its
    token can tell.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Begin; commit at the end of the block, roll back on an exception."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and give how many rows it changed; 0 for one that changes none."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query whose answer is small."""
        ...

    def stream(self, name: Name, columns: Sequence[Column], tail: str = "") -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table in the Arrow types of its columns; ``tail`` is what follows FROM."""
        ...

    def full(self, name: Name) -> Name:
        """Give the name with all that this connection needs to find the table."""
        ...

    def schema_exists(self, schema: str) -> bool:
        """Say whether a schema is there."""
        ...

    def natives(self, name: Name) -> list[Native]:
        """Give the columns of a table in order; empty when there is none."""
        ...

    def same_type(self, native: str, kind: LogicalType) -> bool:
        """Say whether values of ``kind`` are stored as the database's type ``native``."""
        ...

    def lock(self, name: Name, *, alone: bool) -> None:
        """Wait until this transaction may write to the table: beside others, or alone. Readers never wait."""
        ...

    def total(self, name: Name) -> int | None:
        """Count the rows of a table where that costs little."""
        ...

    def load(self, batches: Iterable[pa.RecordBatch], columns: Sequence[Column], into: str = INCOMING) -> None:
        """Put rows into a new temporary table, whose columns have the types of the table's."""
        ...

    def insert(self, name: Name, batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> None:
        """Put rows into the table itself."""
        ...


class Dialect(Protocol):
    """How a database calls things, decided without a connection.

    ``longest_name`` is the most bytes that a name may have, ``folds_case`` says that names that differ only in case
    are one, ``indexes`` that a merge is faster with an index on its key.
    """

    label: str
    default_schema: str
    longest_name: int | None
    folds_case: bool
    indexes: bool

    def open(self) -> AbstractContextManager[Session]:
        """Connect."""
        ...

    def check(self, name: Name) -> None:
        """Try to reach the database, and see that a run may write to the table; leaves nothing behind."""
        ...

    def exists(self) -> bool:
        """Say whether there is a database to connect to; one that is a file is made by its first commit."""
        ...

    def native(self, kind: LogicalType) -> str | None:
        """Give the type that stores every value of ``kind`` exactly; None when there is none."""
        ...

    def logical(self, native: str) -> LogicalType | None:
        """Give the logical type of a column that somebody else made; None when there is none."""
        ...

    def serial(self) -> AbstractContextManager[None]:
        """Hold back other commits of this process, where the database cannot by itself."""
        ...


def quoted(name: str) -> str:
    """Give an identifier as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Give identifiers as a list, each behind ``prefix``."""
    return ", ".join(prefix + quoted(n) for n in names)
