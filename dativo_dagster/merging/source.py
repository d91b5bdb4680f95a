"""The rows of a run: their keys, their order, and of several with one key the one that counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.merging.compare import compare
from dativo_dagster.merging.keys import Keys, refuse_nulls
from dativo_dagster.merging.rows import NONE, Positions, Rows, by_file, load, pick
from dativo_ingest.exceptions import ValidationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dativo_dagster.config.job import Merge


@dataclass
class Source:
    """The files of a run, and of their rows what merging needs to know: keys, order and deletions.

    Args:
        files: The files.
        merge: What the job says.
        schema: The columns that make up a row, in the table's types.
        table: The table's name, for messages.
    """

    files: Sequence[Rows]
    merge: Merge
    schema: pa.Schema
    table: str

    def __post_init__(self) -> None:
        """Read what is needed of all rows.

        Raises:
            ValidationError: ``MERGE_NULL_KEY``.
        """
        merge = self.merge
        wanted = dict.fromkeys([*merge.key, *filter(None, (merge.order_by, merge.deleted_column))])
        found = load(self.files, chosen(self.schema, list(wanted)))
        refuse_nulls([found[name] for name in merge.key], merge.key, self.table)
        self.keys = Keys([found[name] for name in merge.key])
        self.order = None if merge.order_by is None else _one(found[merge.order_by])
        self.deleted = _deletions(found[merge.deleted_column]) if merge.deleted_column else np.zeros(self.rows, bool)

    @property
    def rows(self) -> int:
        """Count the rows."""
        return sum(file.rows for file in self.files)

    @cached_property
    def winners(self) -> Positions:
        """Give for each key the row that counts.

        Raises:
            ValidationError: ``MERGE_DUPLICATE_KEYS``.
        """
        if self.keys.count == self.rows:
            winners = np.empty(self.rows, np.int64)
            winners[self.keys.numbers] = np.arange(self.rows)
            return winners
        ordered = self.in_order()
        last = np.append(np.diff(self.keys.numbers[ordered]) != 0, True)
        counting: Positions = ordered[last]
        return counting

    def in_order(self, *, all_ties: bool = False) -> Positions:
        """Give the rows by key and then by order, NULL first.

        Args:
            all_ties: Refuse differing rows with one key and order wherever they are, not only where they would count.

        Raises:
            ValidationError: ``MERGE_DUPLICATE_KEYS``: rows with one key and the same order, or without one, differ.
        """
        ranks = np.zeros(self.rows, np.int64) if self.order is None else rank(self.order)
        numbers = self.keys.numbers
        ordered = np.lexsort((ranks, numbers))
        ties = (np.diff(numbers[ordered]) == 0) & (np.diff(ranks[ordered]) == 0)
        if not all_ties:
            top = np.zeros(self.keys.count, np.int64)
            np.maximum.at(top, numbers, ranks)
            ties &= (ranks == top[numbers])[ordered[1:]]
        self._refuse_differing(ordered[:-1][ties], ordered[1:][ties])
        return ordered

    def equal(
        self, target: Sequence[Rows], places: tuple[Positions, Positions], one: Positions, other: Positions
    ) -> NDArray[np.bool_]:
        """Say for each pair whether its rows are equal in every column.

        Args:
            target: The files of the table.
            places: File and position of some of their rows, in order; these rows are numbered from 0, and the run's
                rows behind them.
            one: The one row of each pair.
            other: The other.
        """
        file, position = places
        rows = np.unique(np.concatenate((one, other)))
        theirs, ours = rows[rows < len(file)], rows[rows >= len(file)] - len(file)
        old = [position[theirs[file[theirs] == at]] for at in range(len(target))]
        new = by_file(ours, [file.rows for file in self.files])

        def read(names: Sequence[str]) -> pa.Table:
            schema = chosen(self.schema, names)
            return pa.concat_tables([pick(target, old, schema), pick(self.files, new, schema)])

        return compare(read, self.schema.names, np.searchsorted(rows, one), np.searchsorted(rows, other))

    def _refuse_differing(self, one: Positions, other: Positions) -> None:
        if not len(one):
            return
        same = self.equal((), (NONE, NONE), one, other)
        keys = len(np.unique(self.keys.numbers[one[~same]]))
        if keys:
            why = f"and the same {self.merge.order_by!r}" if self.merge.order_by else "and there is no `order_by`"
            raise ValidationError(
                f"table {self.table}: {keys:,} keys ({', '.join(self.merge.key)}) come several times with differing "
                f"rows {why}, so that nobody can say which of them counts; nothing was committed. Name a column in "
                "`order_by` that tells them apart, or add what is missing to `key`",
                "MERGE_DUPLICATE_KEYS",
                {"table": self.table, "keys": keys, "rows": len(np.unique(np.concatenate((one[~same], other[~same]))))},
            )


def rank(order: pa.Array) -> Positions:
    """Number values by their order: equal values have equal numbers, NULL and NaN the lowest."""
    values = pc.if_else(pc.is_nan(order), None, order) if pa.types.is_floating(order.type) else order
    encoded = pc.dictionary_encode(values)
    ranks = np.empty(len(encoded.dictionary), np.int64)
    ranks[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(ranks))
    found = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    numbers: Positions = np.append(ranks, -1)[found]
    return numbers


def _deletions(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Say which rows are deletions: those where the column is true or, of another type, not NULL."""
    said = pc.fill_null(column, False) if pa.types.is_boolean(column.type) else pc.is_valid(column)  # noqa: FBT003
    return said.to_numpy().astype(bool)  # type: ignore[no-any-return]


def chosen(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """Give some columns of a schema, in the order that they are named."""
    return pa.schema([schema.field(name) for name in names])


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
