"""What the shared reader must know of a database: the shapes that a dialect fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.config.contract import Field
    from dativo_dagster.state.window import Kind, Span
    from dativo_ingest.exceptions import DativoError


@dataclass(frozen=True, kw_only=True)
class SqlColumn:
    """One column as the database has it.

    Args:
        name: Its name.
        type: Its type as the database writes it, for people.
        logical: The logical type that holds all of its values as text of a contract; what `discover` proposes.
        nullable: Whether it may be NULL.
        comment: What the database says about it.
        facts: What the dialect needs to know to read it.
    """

    name: str
    type: str
    logical: str
    nullable: bool = True
    comment: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Relation:
    """Something that rows are read from.

    Args:
        name: ``schema.table``, or the name of the stream that a query serves.
        source: SQL that stands after FROM: a quoted name, or a query in brackets with an alias.
        kind: table, partitioned, view, matview, foreign or query.
        columns: Its columns in order; empty until `Dialect.describe`.
        key: Its primary key.
        rows: How many rows the database thinks it has.
        bytes: How large it thinks it is.
        comment: What it says about it.
        facts: What the dialect needs to know to cut it.
    """

    name: str
    source: str
    kind: str = "table"
    columns: tuple[SqlColumn, ...] = ()
    key: tuple[str, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    comment: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One part of a relation that a connection of its own reads: a condition in SQL, empty for all of it.

    The conditions of the pieces of one relation leave no gap: the first is open below, the last above.
    """

    id: str
    condition: str = ""
    rows: int | None = None


class Connection(Protocol):
    """One session at the server. For one thread, but for `cancel`."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a small query and give its rows."""
        ...

    def run(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        ...

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Stream a query; memory stays bounded. Errors are as the driver raises them."""
        ...

    def cancel(self) -> None:
        """End what runs at the server; called from another thread."""
        ...

    def close(self) -> None:
        """Leave; the server forgets the session and its cursor."""
        ...


class Dialect(Protocol):
    """All that one database does in its own way. Made by the connector's module from its ``Config``."""

    name: str

    def connect(self) -> Connection:
        """Open a session whose zone is UTC and which only reads. Errors are of ours, see `translate`."""
        ...

    def translate(self, error: BaseException, where: str) -> DativoError:
        """Give an error of the driver as one of ours: told apart by code, and whether a retry may help."""
        ...

    def quote(self, name: str) -> str:
        """Write one identifier."""
        ...

    def schemas(self, connection: Connection) -> Sequence[str]:
        """Give the schemas in which a name without one is looked for, in order."""
        ...

    def relations(self, connection: Connection) -> Sequence[Relation]:
        """List what can be read, without columns."""
        ...

    def describe(self, connection: Connection, relations: Sequence[Relation]) -> Sequence[Relation]:
        """Give relations with their columns, keys and comments."""
        ...

    def query(self, connection: Connection, name: str, sql: str) -> Relation:
        """Describe a query of the job's as the relation ``name``."""
        ...

    def now(self, connection: Connection) -> datetime:
        """Give the server's clock, with a zone."""
        ...

    def kind(self, column: SqlColumn) -> Kind | None:
        """Say what kind of cursor a column can be; None when it has no order that fits."""
        ...

    def highest(self, connection: Connection, relation: Relation, column: SqlColumn) -> str | None:
        """Give the highest value of a column as text, None when it has none."""
        ...

    def condition(self, span: Span) -> str:
        """Write a span as a condition; values are quoted literals of the span's kind."""
        ...

    def expression(self, column: SqlColumn, field: Field) -> str:
        """Write how a column is selected so that validation can bring it to the contract's type exactly.

        Raises:
            ConfigurationError: ``TYPE_NOT_HELD``: the contract's type cannot hold the column's values.
        """
        ...

    def pieces(self, connection: Connection, relation: Relation, parts: int, by: str | None) -> Sequence[Piece]:
        """Cut a relation into at most ``parts``, along the column ``by`` if that is said."""
        ...

    def guarded(self, columns: Sequence[tuple[SqlColumn, Field]], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Look at a batch for values that the driver gave wrongly; give it with none of them."""
        ...

    def share(self, connection: Connection) -> Any:
        """Start a transaction that sees one state, and give what lets others see the same; None when none can."""
        ...

    def join(self, connection: Connection, shared: Any) -> None:
        """Start a transaction that sees what `share` saw."""
        ...
