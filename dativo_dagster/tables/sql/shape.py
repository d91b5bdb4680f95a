"""The columns of a table in a database: as they are, as a contract wants them, and the statements in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_dagster.config import types as lt
from dativo_dagster.tables.sql.session import Dialect, Name, Native, Session, quoted
from dativo_dagster.validation import evolution
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column, SchemaChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dativo_dagster.config.job import TableSpec


def wanted(spec: TableSpec, dialect: Dialect) -> tuple[Column, ...]:
    """Give the columns that the contract asks for, those that the mode or the partitioning adds included.

    Raises:
        ConfigurationError: ``TYPE_UNSUPPORTED``, naming each column whose type the database does not have.
    """
    from dativo_dagster.formats import partition

    fields = spec.contract.fields
    _names(spec, dialect)
    columns = [
        Column(name=f.name, type=str(f.type), nullable=not f.required, description=f.description) for f in fields
    ]
    bad = [f"{f.name!r} ({f.type})" for f in fields if dialect.native(f.type) is None]
    if bad:
        raise ConfigurationError(
            f"table {spec.identifier}: {dialect.label} has no type that holds every value of {', '.join(bad)}; give "
            "the column another type in the contract, such as a timestamp in microseconds, or string",
            "TYPE_UNSUPPORTED",
            {"columns": bad},
        )
    if partition.virtual(spec.partitioning, [f.name for f in fields]):
        columns.append(Column(name=partition.INGEST_DATE, type="date", description="UTC date of the run"))
    return tuple(columns)


def loaded(spec: TableSpec, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Give those of the wanted columns that the rows of a run bring; history adds the others."""
    merge = spec.merge if spec.mode == "scd2" else None
    added = {merge.valid_from, merge.valid_to, merge.is_current} if merge else set()
    return tuple(c for c in columns if c.name not in added)


def _names(spec: TableSpec, dialect: Dialect) -> None:
    """Refuse names that the database would cut, or take for one another.

    Raises:
        ConfigurationError: ``BAD_COLUMN_NAME``.
    """
    names = [f.name for f in spec.contract.fields]
    longest = dialect.longest_name
    long = [n for n in (*names, *spec.identifier.split(".")) if longest and len(n.encode()) > longest]
    folded = [n.lower() for n in names] if dialect.folds_case else names
    twins = [n for n, low in zip(names, folded, strict=True) if folded.count(low) > 1]
    if long or twins:
        why = f"is longer than {longest} bytes" if long else "differs from another only in upper and lower case"
        raise ConfigurationError(
            f"table {spec.identifier}: {dialect.label} has no room for the name {(long or twins)[0]!r}: it {why}; "
            "give it another in the contract",
            "BAD_COLUMN_NAME",
            {"names": long or twins},
        )


def standing(session: Session, dialect: Dialect, name: Name, remembered: dict[str, Column]) -> tuple[Column, ...]:
    """Give the columns of a table as it stands; empty when there is none.

    The database knows best; what was remembered only says which of several logical types a column stores.
    """
    return tuple(_column(session, dialect, name, n, remembered.get(n.name)) for n in session.natives(name))


def _column(session: Session, dialect: Dialect, name: Name, native: Native, remembered: Column | None) -> Column:
    if remembered is not None and session.same_type(native.kind, lt.parse_type(remembered.type)):
        return Column(
            name=native.name, type=remembered.type, nullable=native.nullable, description=remembered.description
        )
    kind = dialect.logical(native.kind)
    if kind is None:
        raise ConfigurationError(
            f"table {name}: column {native.name!r} is of the type {native.kind}, for which there is no logical type; "
            "write to a table without it",
            "TYPE_UNSUPPORTED",
            {"column": native.name, "type": native.kind},
        )
    return Column(name=native.name, type=str(kind), nullable=native.nullable)


def changes(spec: TableSpec, new: Sequence[Column], have: Sequence[Column]) -> tuple[SchemaChange, ...]:
    """Compare what the contract asks for with what the table has."""
    return evolution.diff(new, have, spec.evolution)


def create(name: Name, columns: Sequence[Column], dialect: Dialect) -> str:
    """Give the statement that makes the table."""
    parts = [f"{quoted(c.name)} {_native(dialect, c)}{'' if c.nullable else ' NOT NULL'}" for c in columns]
    return f"CREATE TABLE {name} ({', '.join(parts)})"


def alter(
    name: Name, asked: Sequence[SchemaChange], new: Sequence[Column], have: Sequence[Column], dialect: Dialect
) -> Iterator[str]:
    """Give the statements that make the changes, in the order in which they can run."""
    old, want = {c.name for c in have}, {c.name: c for c in new}
    table = f"ALTER TABLE {name}"
    retyped: dict[str, None] = {}
    for change in asked:
        column = quoted(change.column)
        if change.kind == "rename":
            yield f"{table} RENAME COLUMN {column} TO {quoted(change.after or '')}"
        elif change.kind == "drop" and change.column in old:
            yield f"{table} DROP COLUMN {column}"
        elif change.kind == "add" and change.column in want and change.column not in old:
            yield f"{table} ADD COLUMN {column} {_native(dialect, want[change.column])}"
        elif change.kind == "relax":
            yield f"{table} ALTER COLUMN {column} DROP NOT NULL"
        elif change.kind != "require":  # widened, or changed inside
            retyped[_top(change.column, want)] = None
    for column_name in retyped:
        yield f"{table} ALTER COLUMN {quoted(column_name)} SET DATA TYPE {_native(dialect, want[column_name])}"


def _top(path: str, columns: dict[str, Column]) -> str:
    """Give the column that a path such as ``address.city`` leads into; a column's own name may have dots."""
    return max((c for c in columns if path == c or path.startswith(f"{c}.")), key=len)


def _native(dialect: Dialect, column: Column) -> str:
    return dialect.native(lt.parse_type(column.type)) or ""
