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
SHOWN = 5
"""How many names an error gives."""
_NEAR = 0.6


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


def find(
    name: str, relations: Sequence[Relation], schemas: Sequence[str], where: str, *, said: bool = True
) -> Relation:
    """Give the relation that a name means: with a schema that one, else the first of ``schemas`` that has it.

    Args:
        name: The name, as the job says it or, when it does not (``said``), that of the stream.
        relations: All that there are.
        schemas: Where a name without a schema is looked for.
        where: The database, for people.
        said: Whether `tables` says the name.

    Raises:
        ConfigurationError: ``TABLE_NOT_FOUND``, with names that there are.
    """
    by_name = {r.name: r for r in relations}
    for tried in (name, *(f"{schema}.{name}" for schema in schemas)):
        if tried in by_name:
            return by_name[tried]
    raise not_found(name, relations, where, said=said)


def all_found(config: SqlConfig, relations: Sequence[Relation], where: str) -> list[Relation]:
    """Give what `tables_of` gives, and see that each line names something.

    Raises:
        ConfigurationError: ``TABLE_NOT_FOUND``.
    """
    for item in config.tables:
        if not any(matches(item.name, r.name) for r in relations):
            raise not_found(item.name, relations, where)
    return tables_of(config, relations)


def not_found(name: str, relations: Sequence[Relation], where: str, *, said: bool = True) -> ConfigurationError:
    """Make the error for a name that no table has; the nearest names come first, else the first that there are."""
    own = [r.name for r in relations if r.name.split(".")[0] not in _SYSTEM]
    near = nearest(name, own)
    some = near or sorted(own)[:SHOWN]
    more = f" and {len(own) - len(some)} more" if not near and len(own) > len(some) else ""
    if not some:
        hint = "it shows us none that fits; the user may lack the right to see it."
    elif len(near) == 1:
        hint = f"did you mean {near[0]!r}?"
    else:
        hint = f"{'near are' if near else 'it has'} {', '.join(some)}{more}."
    taken = ""
    if not said:
        taken = (
            " No line of `tables` names a table for this stream, so the stream's name is taken for the table's. Write"
            f" in the stream's source: `tables: {some[0] if some else 'schema.table'}`."
        )
    return ConfigurationError(
        f"{where} has no table or view {name!r} that we may see; {hint}{taken} Names keep their case",
        "TABLE_NOT_FOUND",
        {"table": name, "near": some},
    )


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """Give up to five names that are near one, by the whole or without schemas, whatever the case."""
    bare, folded = last(name).casefold(), name.casefold()

    def likeness(other: str) -> float:
        pairs = [(folded, other.casefold()), (bare, last(other).casefold())]
        return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    ranked = sorted(((likeness(other), other) for other in names), key=lambda pair: (-pair[0], pair[1]))
    return [other for ratio, other in ranked[:SHOWN] if ratio >= _NEAR]


def matches(pattern: str, name: str) -> bool:
    """Say whether ``schema.table`` fits a pattern: ``*`` is any text, and a pattern without schema fits any."""
    text = name if "." in pattern else last(name)
    regex = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(regex, text) is not None


def last(name: str) -> str:
    """Give a name without its schema."""
    return name.partition(".")[2] or name
