"""Which tables a job's words mean. Pure: patterns against the names that a database lists."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.connectors.sql.base import Relation
    from dativo_dagster.connectors.sql.config import SqlConfig, TableItem

_SYSTEM = ("pg_catalog", "information_schema", "pg_toast", "mysql", "performance_schema", "sys")


def item_of(config: SqlConfig, stream: str) -> TableItem | None:
    """Give the line of `tables` that a stream reads; None when no line is about it.

    A line is about the stream that it names, or whose name it has, with or without its schema; one without
    an `object` that stands alone and is no pattern is about every stream.
    """
    own = [t for t in config.tables if t.object == stream]
    named = [t for t in config.tables if t.object is None and stream in {t.name, last(t.name)}]
    alone = [t for t in config.tables if len(config.tables) == 1 and t.object is None and "*" not in t.name]
    found = own or named or alone
    return found[0] if found else None


def tables_of(config: SqlConfig, relations: Sequence[Relation]) -> list[Relation]:
    """Give the relations that a job's lines name, or all beside the system's own when there are no lines."""
    if not config.tables:
        return [r for r in relations if r.name.split(".")[0] not in _SYSTEM]
    return [r for r in relations if any(matches(t.name, r.name) for t in config.tables)]


def find(name: str, relations: Sequence[Relation], schemas: Sequence[str], where: str) -> Relation:
    """Give the relation that a name means: with a schema that one, else the first of ``schemas`` that has it.

    Raises:
        ConfigurationError: ``TABLE_NOT_FOUND``, with the nearest name there is.
    """
    by_name = {r.name: r for r in relations}
    for tried in (name, *(f"{schema}.{name}" for schema in schemas)):
        if tried in by_name:
            return by_name[tried]
    folded = {r.name.casefold(): r.name for r in relations} | {last(r.name).casefold(): r.name for r in relations}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"did you mean {folded[near[0]]!r}?" if near else f"it shows {len(relations)} tables and views to us"
    raise ConfigurationError(
        f"{where} has no table or view {name!r} that we may see; {hint}. Names keep their case",
        "TABLE_NOT_FOUND",
        {"table": name},
    )


def matches(pattern: str, name: str) -> bool:
    """Say whether ``schema.table`` fits a pattern: ``*`` is any text, and a pattern without schema fits any."""
    text = name if "." in pattern else last(name)
    regex = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(regex, text) is not None


def last(name: str) -> str:
    """Give a name without its schema."""
    return name.partition(".")[2] or name
