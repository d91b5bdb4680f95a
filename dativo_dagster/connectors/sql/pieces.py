"""A relation cut into ranges without a gap: the first is open below and the last above, so late rows fall into one."""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from dativo_dagster.connectors.sql.base import Piece

if TYPE_CHECKING:
    from dativo_dagster.connectors.sql.base import Connection, Relation


def ranges(name: str, low: int, high: int, parts: int, literal: Callable[[int], str]) -> list[Piece]:
    """Cut ``[low, high)`` into at most ``parts`` ranges of equal width.

    Args:
        name: What is compared, as SQL.
        low: The least value.
        high: Just above the greatest.
        parts: How many ranges.
        literal: Writes one bound.
    """
    parts = max(1, min(parts, high - low))
    cuts = [low + (high - low) * n // parts for n in range(1, parts)]
    if not cuts:
        return [Piece(id="")]
    inner = [f"{name} >= {literal(a)} AND {name} < {literal(b)}" for a, b in pairwise(cuts)]
    conditions = [f"{name} < {literal(cuts[0])}", *inner, f"{name} >= {literal(cuts[-1])}"]
    return [Piece(id=f"{n + 1}of{parts}", condition=each) for n, each in enumerate(conditions)]


def by_number(connection: Connection, relation: Relation, quoted: str, parts: int, *, nullable: bool) -> list[Piece]:
    """Cut a relation along a column of whole numbers; rows without one go with the first range."""
    found = connection.rows(f"SELECT min({quoted}) AS low, max({quoted}) AS high FROM {relation.source}")[0]
    if found["low"] is None:
        return [Piece(id="")]
    pieces = ranges(quoted, int(found["low"]), int(found["high"]) + 1, parts, str)
    if nullable and len(pieces) > 1:
        pieces[0] = replace(pieces[0], condition=f"({pieces[0].condition}) OR {quoted} IS NULL")
    return pieces
