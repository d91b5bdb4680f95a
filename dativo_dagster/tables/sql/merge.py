"""Upserts in SQL: what `merging.upsert` does to files, left to the database and its joins.

Of the rows of a run with one key those with the highest `order_by` count; several that are equal are one. A row of the
table that is higher stays, and the run's goes; a tie goes to the run.
"""

# ruff: noqa: S608 - names are quoted, and so are values

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_dagster.config import types as lt
from dativo_dagster.tables.sql.rows import sliced
from dativo_dagster.tables.sql.session import INCOMING, listed, quoted
from dativo_ingest.exceptions import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import Merge, TableSpec
    from dativo_dagster.tables.sql.session import Name, Session
    from dativo_ingest.model import Column, Staged

WINNERS = "_dativo_winners"


def put(session: Session, name: Name, spec: TableSpec, staged: Staged, columns: Sequence[Column]) -> int:
    """Merge the rows of a run and give how many that were there are gone.

    Raises:
        ConfigurationError: ``MERGE_NOT_WHOLE``.
        ValidationError: ``MERGE_REJECTED_ROWS``, ``MERGE_NULL_KEY``, ``MERGE_DUPLICATE_KEYS``.
    """
    from dativo_dagster.merging.begin import refuse_guesses

    merge = spec.merge
    assert merge is not None  # noqa: S101 - config gives every merging target one
    if merge.delete_missing:
        refuse_guesses(spec, staged)
    _refuse_nulls(session, merge, spec.identifier)
    _choose(session, merge, columns, spec.identifier)
    same = " AND ".join(f"w.{quoted(k)} = t.{quoted(k)}" for k in merge.key)
    gone = 0
    if merge.delete_missing:
        part = f" AND {sliced(spec.slice, columns)}" if spec.slice else ""
        known = f"SELECT 1 FROM {WINNERS} AS w WHERE {same}"
        gone += session.execute(f"DELETE FROM {name} AS t WHERE NOT EXISTS ({known}){part}")
    higher = _higher(merge, columns)
    gone += session.execute(f"DELETE FROM {name} AS t USING {WINNERS} AS w WHERE {same} AND NOT ({higher})")
    if merge.order_by:  # what is still there is higher
        session.execute(f"DELETE FROM {WINNERS} AS w USING {name} AS t WHERE {same}")
    names = listed(c.name for c in columns)
    stays = f" WHERE NOT {_deleted(merge, columns)}" if merge.deleted_column else ""
    session.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM {WINNERS}{stays}")
    return gone


def _choose(session: Session, merge: Merge, columns: Sequence[Column], table: str) -> None:
    """Put the rows that count into `WINNERS`: one a key."""
    names, key = listed(c.name for c in columns), listed(merge.key)
    order = f" ORDER BY {_ordered(merge, columns)} DESC NULLS LAST" if merge.order_by else ""
    ranked = f"SELECT *, rank() OVER (PARTITION BY {key}{order}) AS _dativo_rank FROM {INCOMING}"
    session.execute(
        f"CREATE TEMPORARY TABLE {WINNERS} AS SELECT DISTINCT {names} FROM ({ranked}) AS r WHERE _dativo_rank = 1"
    )
    several = f"SELECT 1 FROM {WINNERS} GROUP BY {key} HAVING count(*) > 1"
    keys = int(session.rows(f"SELECT count(*) FROM ({several}) AS d")[0][0])
    if keys:
        why = f"and the same {merge.order_by!r}" if merge.order_by else "and there is no `order_by`"
        raise ValidationError(
            f"table {table}: {keys:,} keys ({', '.join(merge.key)}) come several times with differing rows {why}, so "
            "that nobody can say which of them counts; nothing was committed. Name a column in `order_by` that tells "
            "them apart, or add what is missing to `key`",
            "MERGE_DUPLICATE_KEYS",
            {"table": table, "keys": keys},
        )


def _refuse_nulls(session: Session, merge: Merge, table: str) -> None:
    counted = ", ".join(f"count(*) - count({quoted(k)})" for k in merge.key)
    found = session.rows(f"SELECT {counted} FROM {INCOMING}")[0]
    counts = {name: int(count) for name, count in zip(merge.key, found, strict=True) if count}
    if counts:
        told = ", ".join(f"{name!r} in {count:,} rows" for name, count in counts.items())
        raise ValidationError(
            f"table {table}: the key is NULL: {told}; nothing was committed. Make the columns `required` in the "
            "contract, so that such rows are rejected, or choose another key",
            "MERGE_NULL_KEY",
            {"table": table, "rows": counts},
        )


def _ordered(merge: Merge, columns: Sequence[Column], table: str = "") -> str:
    """Give the column that orders rows, in which NaN is below all else as NULL is."""
    column = f"{table}{quoted(merge.order_by or '')}"
    return f"nullif({column}, 'NaN')" if _kind(merge.order_by, columns) in _FLOATS else column


_FLOATS = (lt.Primitive("float32"), lt.Primitive("double"))


def _higher(merge: Merge, columns: Sequence[Column]) -> str:
    """Give the condition that the table's row is higher than the run's; never NULL."""
    if not merge.order_by:
        return "false"
    theirs, ours = _ordered(merge, columns, "t."), _ordered(merge, columns, "w.")
    return f"coalesce({theirs} > {ours}, {theirs} IS NOT NULL AND {ours} IS NULL)"


def _deleted(merge: Merge, columns: Sequence[Column]) -> str:
    """Give the condition that a row is a deletion."""
    column = quoted(merge.deleted_column or "")
    boolean = _kind(merge.deleted_column, columns) == lt.Primitive("boolean")
    return f"coalesce({column}, false)" if boolean else f"({column} IS NOT NULL)"


def _kind(name: str | None, columns: Sequence[Column]) -> lt.LogicalType:
    return next(lt.parse_type(c.type) for c in columns if c.name == name)
