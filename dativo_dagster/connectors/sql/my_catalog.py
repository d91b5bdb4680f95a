"""What information_schema says of tables and their columns, in three queries however many tables there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dativo_dagster.connectors.sql.base import Relation
from dativo_dagster.connectors.sql.my_types import column_of

if TYPE_CHECKING:
    from dativo_dagster.connectors.sql.base import Connection

SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_KINDS = {"VIEW": "view", "SYSTEM VIEW": "view"}

# Names are given to the columns since MySQL 8 writes those of its views in capitals.
_RELATIONS = """
SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS kind, TABLE_ROWS AS n, TABLE_COMMENT AS comment,
       DATA_LENGTH + INDEX_LENGTH AS bytes
FROM information_schema.TABLES
WHERE TABLE_SCHEMA {chosen} AND TABLE_TYPE <> 'SEQUENCE'
ORDER BY 1, 2
"""
_COLUMNS = """
SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tab, COLUMN_NAME AS name, DATA_TYPE AS data, COLUMN_TYPE AS written,
       IS_NULLABLE AS nullable, COLUMN_COMMENT AS comment
FROM information_schema.COLUMNS WHERE {chosen} ORDER BY 1, 2, ORDINAL_POSITION
"""
_KEYS = """
SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tab, COLUMN_NAME AS name
FROM information_schema.STATISTICS WHERE INDEX_NAME = 'PRIMARY' AND ({chosen}) ORDER BY 1, 2, SEQ_IN_INDEX
"""
# MariaDB's JSON is a longtext with a check that the server wrote itself.
_JSON = """
SELECT CONSTRAINT_SCHEMA AS db, TABLE_NAME AS tab, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS said
FROM information_schema.CHECK_CONSTRAINTS WHERE CHECK_CLAUSE LIKE 'json\\\\_valid(%'
"""


def quote(name: str) -> str:
    """Write an identifier."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """Write a text so that no mode of the server reads it differently."""
    return f"_utf8mb4 X'{value.encode().hex()}'"


def relations(connection: Connection, database: str | None) -> list[Relation]:
    """List all that can be read in a database, or in all of them."""
    names = ", ".join(map(text, SYSTEM))
    chosen = f"= {text(database)}" if database else f"NOT IN ({names})"
    return [_relation(row) for row in connection.rows(_RELATIONS.format(chosen=chosen))]


def describe(connection: Connection, found: Sequence[Relation], *, is_mariadb: bool) -> list[Relation]:
    """Add columns and keys."""
    if not found:
        return []
    places = {(r.facts["db"], r.facts["name"]) for r in found}
    chosen = " OR ".join(f"(TABLE_SCHEMA = {text(db)} AND TABLE_NAME = {text(name)})" for db, name in sorted(places))
    columns, keys = (_grouped(connection.rows(sql.format(chosen=chosen))) for sql in (_COLUMNS, _KEYS))
    json = _grouped(connection.rows(_JSON)) if is_mariadb else {}
    return [_described(r, columns, keys, json) for r in found]


def _relation(row: dict[str, Any]) -> Relation:
    kind = _KINDS.get(row["kind"], "table")
    return Relation(
        name=f"{row['db']}.{row['name']}",
        source=f"{quote(row['db'])}.{quote(row['name'])}",
        kind=kind,
        rows=None if row["n"] is None else int(row["n"]),
        bytes=None if row["bytes"] is None else int(row["bytes"]),
        comment="" if kind == "view" else row["comment"] or "",
        facts={"db": row["db"], "name": row["name"]},
    )


def _grouped(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["db"], row["tab"]].append(row)
    return found


def _described(relation: Relation, columns: Any, keys: Any, json: Any) -> Relation:
    place = relation.facts["db"], relation.facts["name"]
    checked = {row["said"] for row in json.get(place, ())}
    made = [
        column_of(
            row["name"],
            "json" if f"json_valid({quote(row['name'])})" in checked else row["data"].lower(),
            row["written"],
            nullable=row["nullable"] == "YES",
            comment=row["comment"] or "",
        )
        for row in columns.get(place, ())
    ]
    return replace(relation, columns=tuple(made), key=tuple(row["name"] for row in keys.get(place, ())))
