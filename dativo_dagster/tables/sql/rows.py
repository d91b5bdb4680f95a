"""What each mode does with the rows of a run, which lie in `INCOMING`, and with those of the table."""

# ruff: noqa: S608 - names are quoted, and so are values

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dativo_dagster.config import types as lt
from dativo_dagster.tables.sql.session import INCOMING, listed, quoted
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import Partition, Slice, TableSpec
    from dativo_dagster.tables.sql.session import Name, Session
    from dativo_ingest.model import Column


def put(session: Session, name: Name, spec: TableSpec, columns: Sequence[Column]) -> int:
    """Bring the rows into the table and give how many that were there are gone."""
    replaced = 0
    if spec.slice is not None:
        _refuse_outside(session, spec.slice, columns)
        replaced = session.execute(f"DELETE FROM {name} WHERE {sliced(spec.slice, columns)}")
    elif spec.mode == "overwrite":
        replaced = session.execute(f"DELETE FROM {name}")
    elif spec.mode == "overwrite_partitions":
        replaced = session.execute(f"DELETE FROM {name} WHERE {_in_a_partition(spec.partitioning, name)}")
    names = [c.name for c in columns]
    session.execute(f"INSERT INTO {name} ({listed(names)}) SELECT {listed(names)} FROM {INCOMING}")
    return replaced


def _refuse_outside(session: Session, part: Slice, columns: Sequence[Column]) -> None:
    """Refuse rows that a repeated run of the slice would leave there and add once more.

    Raises:
        ConfigurationError: ``OUTSIDE_SLICE``.
    """
    inside = f"coalesce({sliced(part, columns)}, false)"
    if session.rows(f"SELECT count(*) FROM {INCOMING} WHERE NOT {inside}")[0][0]:
        raise ConfigurationError(
            f"the run of partition {part.key!r} has rows whose {part.column!r} is not in it; running it again would "
            "leave them there and add them once more. If "
            "the column keeps times of another zone, say its `timezone` in the contract",
            "OUTSIDE_SLICE",
            {"partition": part.key, "column": part.column},
        )


def sliced(part: Slice, columns: Sequence[Column]) -> str:
    """Give the condition that a row is of a part of a partitioned stream."""
    kind = next(lt.parse_type(c.type) for c in columns if c.name == part.column)
    column = quoted(part.column)
    if part.values:
        return f"{column} IN ({', '.join(map(_text, part.values))})"
    bounds = [(">=", part.lower), ("<", part.upper)]
    return " AND ".join(f"{column} {sign} {_bound(b, kind, part)}" for sign, b in bounds if b is not None)


def _text(value: str) -> str:
    """Give a text as a literal, which the database takes for a value of the column's type."""
    return "'" + value.replace("'", "''") + "'"


def _bound(text: str, kind: lt.LogicalType, part: Slice) -> str:
    """Give a bound as the column has it: a day of the calendar, or a time, as `merging.slices` does."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=moment.tzinfo or timezone.utc)
    if kind == lt.Primitive("date"):
        return f"DATE '{moment:%Y-%m-%d}'"
    if isinstance(kind, lt.Timestamp) and kind.zoned:
        return f"TIMESTAMPTZ '{moment.astimezone(timezone.utc).isoformat()}'"
    if isinstance(kind, lt.Timestamp):
        return f"TIMESTAMP '{moment.astimezone(ZoneInfo(part.clocks)).replace(tzinfo=None)}'"
    raise ConfigurationError(
        f"column {part.column!r} is {kind}, and a slice of time needs a date or a timestamp; use `keys` instead of "
        "`every`, or another column",
        "BAD_SLICE",
        {"column": part.column, "type": str(kind)},
    )


def _in_a_partition(partitioning: Sequence[Partition], name: Name) -> str:
    """Give the condition that some row of the run is in the same partition."""
    if not partitioning:
        return f"EXISTS (SELECT 1 FROM {INCOMING})"
    fields = [(f"p{at}", transformed(p)) for at, p in enumerate(partitioning)]
    distinct = ", ".join(f"{sql} AS {field}" for field, sql in fields)
    same = " AND ".join(f"_dativo_parts.{field} IS NOT DISTINCT FROM {transformed(p, str(name))}"
                        for (field, _), p in zip(fields, partitioning, strict=True))  # fmt: skip
    return f"EXISTS (SELECT 1 FROM (SELECT DISTINCT {distinct} FROM {INCOMING}) AS _dativo_parts WHERE {same})"


def transformed(partition: Partition, table: str = INCOMING) -> str:
    """Give a partition field as an expression.

    Raises:
        ConfigurationError: ``BAD_PARTITION``: the database cannot tell which partition a row is in.
    """
    column = f"{table}.{quoted(partition.column)}"
    if partition.transform == "identity":
        return column
    if partition.transform in {"year", "month", "day", "hour"}:
        return f"date_trunc('{partition.transform}', {column})"
    raise ConfigurationError(
        f"partitioning by {partition.column!r}: a database knows no {partition.transform}; replace partitions by "
        "identity, year, month, day or hour",
        "BAD_PARTITION",
        {"column": partition.column},
    )
