"""What PostgreSQL's catalog says of tables and their columns, in two queries however many tables there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dativo_dagster.connectors.sql.base import Relation, SqlColumn
from dativo_dagster.connectors.sql.pg_types import column_of

if TYPE_CHECKING:
    from dativo_dagster.connectors.sql.base import Connection

KINDS = {"r": "table", "p": "partitioned", "v": "view", "m": "matview", "f": "foreign"}

# "char" columns are cast: the driver and we want plain text.
_RELATIONS = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, c.oid::int8 AS oid,
       c.reltuples::float8 AS rows, c.relpages::int8 AS pages, c.relispartition AS part,
       obj_description(c.oid, 'pg_class')::text AS comment, current_setting('server_version_num')::int8 AS version,
       current_setting('block_size')::int8 AS page
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
ORDER BY 1, 2
"""

TYPE = """
SELECT t.oid::int8 AS oid, pg_catalog.format_type(t.oid, NULL)::text AS name, t.typname::text AS plain,
       t.typtype::text AS kind, t.typcategory::text AS category, t.typelem::int8 AS element,
       t.typbasetype::int8 AS base, t.typtypmod::int8 AS modifier, t.typndims::int8 AS dimensions,
       t.typnotnull AS required, n.nspname::text AS schema
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
"""

_COLUMNS = """
SELECT a.attrelid::int8 AS relation, a.attname::text AS name, a.atttypid::int8 AS type,
       a.atttypmod::int8 AS modifier, a.attnotnull AS required, a.attndims::int8 AS dimensions,
       pg_catalog.format_type(a.atttypid, a.atttypmod)::text AS written,
       pg_catalog.col_description(a.attrelid, a.attnum)::text AS comment,
       pg_catalog.array_position(i.indkey::int2[], a.attnum)::int8 AS place
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid IN ({oids}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""


def quote(name: str) -> str:
    """Write an identifier."""
    return '"' + name.replace('"', '""') + '"'


def relations(connection: Connection) -> list[Relation]:
    """List all that can be read; a partition is read with its table."""
    return [_relation(row) for row in connection.rows(_RELATIONS) if not row["part"]]


def describe(connection: Connection, found: Sequence[Relation]) -> list[Relation]:
    """Add columns and keys."""
    if not found:
        return []
    oids = ", ".join(str(int(r.facts["oid"])) for r in found)
    rows = connection.rows(_COLUMNS.format(oids=oids))
    known = types(connection, {row["type"] for row in rows})
    by_oid = {oid: list(group) for oid, group in groupby(rows, key=lambda row: row["relation"])}
    return [_described(r, by_oid.get(r.facts["oid"], []), known) for r in found]


def types(connection: Connection, oids: set[int]) -> dict[int, dict[str, Any]]:
    """Give what is known of some types, and of those that they are made of."""
    known: dict[int, dict[str, Any]] = {}
    while wanted := {int(oid) for oid in oids if oid} - known.keys():
        rows = connection.rows(f"{TYPE} WHERE t.oid IN ({', '.join(map(str, wanted))})")
        known |= {row["oid"]: row for row in rows}
        if not rows:
            break
        oids = {row[part] for row in rows for part in ("element", "base")}
    return known


def _relation(row: dict[str, Any]) -> Relation:
    facts = {key: row[key] for key in ("oid", "pages", "version")}
    stored = row["kind"] in {"r", "m", "p", "f"}
    return Relation(
        name=f"{row['schema']}.{row['name']}",
        source=f"{quote(row['schema'])}.{quote(row['name'])}",
        kind=KINDS[row["kind"]],
        rows=int(row["rows"]) if stored and row["rows"] >= 0 else None,
        bytes=row["pages"] * row["page"] if stored and row["pages"] else None,
        comment=row["comment"] or "",
        facts=facts,
    )


def _described(relation: Relation, rows: Sequence[dict[str, Any]], known: dict[int, dict[str, Any]]) -> Relation:
    keys = sorted((row["place"], row["name"]) for row in rows if row["place"] is not None)
    return replace(relation, columns=tuple(_column(row, known) for row in rows), key=tuple(name for _, name in keys))


def _column(row: dict[str, Any], known: dict[int, dict[str, Any]]) -> SqlColumn:
    return column_of(
        row["name"],
        row["type"],
        known,
        written=row["written"],
        modifier=row["modifier"],
        dimensions=row["dimensions"],
        nullable=not row["required"],
        comment=row["comment"] or "",
    )
