"""Which columns of a relation are read, and as what: those of the contract, in its order."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract, Field
    from dativo_dagster.connectors.sql.base import Dialect, Relation, SqlColumn

Selected = list[tuple["SqlColumn", "Field", str]]


def selected(dialect: Dialect, relation: Relation, contract: Contract) -> Selected:
    """Give each column of the contract with what it is at the source and how it is selected.

    Raises:
        ConfigurationError: ``COLUMN_NOT_FOUND``: the relation lacks one; ``TYPE_NOT_HELD``: see `Dialect.expression`.
    """
    found = []
    for field in contract.fields:
        column = column_of(relation, field.name)
        found.append((column, field, dialect.expression(column, field)))
    return found


def column_of(relation: Relation, name: str) -> SqlColumn:
    """Give a column of a relation.

    Raises:
        ConfigurationError: ``COLUMN_NOT_FOUND``, with the nearest name there is.
    """
    by_name = {column.name: column for column in relation.columns}
    if name in by_name:
        return by_name[name]
    folded = {n.casefold(): n for n in by_name}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"did you mean {folded[near[0]]!r}?" if near else f"it has {', '.join(by_name)}."
    raise ConfigurationError(
        f"{relation.name} has no column {name!r}; {hint} Mend the contract, or the column's name at the source",
        "COLUMN_NOT_FOUND",
        {"table": relation.name, "column": name},
    )
