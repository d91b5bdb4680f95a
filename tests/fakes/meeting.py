"""Tables in memory for tests of merging, and a plain Python oracle of what a merge and a history are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Merge, Slice, TableSpec
from dativo_dagster.config.types import parse_type
from dativo_dagster.merging.begin import begin
from dativo_dagster.merging.moments import added, begun
from dativo_dagster.merging.rewrite import rewritten
from dativo_dagster.validation.typemap import arrow_field
from dativo_ingest.model import Counts, Staged

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
Row = dict[str, Any]


def moment(number: int) -> datetime:
    """Give a moment, so many minutes into the year."""
    return START + timedelta(minutes=number)


@dataclass
class InMemory:
    """A file that is none, read in tiny batches so that positions must be right across them."""

    table: pa.Table
    batch: int = 3

    @property
    def rows(self) -> int:
        """Count the rows."""
        return self.table.num_rows

    def read(self, columns: Sequence[str], near: Any = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield tiny batches."""
        start = 0
        for batch in self.table.select(list(columns)).to_batches(max_chunksize=self.batch):
            yield start, batch
            start += batch.num_rows


class World:
    """A table that runs are merged into.

    Args:
        columns: Names and logical types.
        mode: merge or scd2.
        merge: How rows meet.
    """

    def __init__(self, columns: dict[str, str], mode: str, merge: Merge) -> None:
        self.mode, self.merge = mode, merge
        self.schema = pa.schema([arrow_field(n, parse_type(t)) for n, t in columns.items()])
        self.stored = self.schema
        if mode == "scd2":
            self.stored = pa.schema([*self.schema, *(pa.field(n, t) for n, t in added(merge).items())])
        self.fields = tuple(Field(name=n, type=parse_type(t)) for n, t in columns.items())
        self.files: list[InMemory] = []
        self.touched = 0

    def run(
        self,
        *parts: list[Row],
        at: datetime = START,
        whole: bool = False,
        rejected: int = 0,
        part: Slice | None = None,
    ) -> None:
        """Merge one run, whose rows lie in one file a part."""
        spec = TableSpec(
            identifier="shop.orders",
            contract=Contract(name="orders", fields=self.fields),
            base=Path(),
            run_date=date(2026, 1, 1),
            mode=self.mode,  # type: ignore[arg-type]
            merge=self.merge,
            slice=part,
        )
        staged = Staged(
            token="t", key="k", mode=self.mode, at=at.isoformat(), whole=whole, counts=Counts(rejected=rejected)
        )
        new = [InMemory(self._written(rows)) for rows in parts if rows]
        decision = begin(spec, staged, new, self.stored).decide(self.files)
        self.touched = sum(fate.touched for fate in decision.target)
        fates = [*decision.target, *decision.source]
        names = self.stored.names
        self.files = [
            InMemory(left)
            for file, fate in zip([*self.files, *new], fates, strict=True)
            if (left := pa.Table.from_batches(rewritten(file, fate, names), self.stored)).num_rows
        ]

    def _written(self, rows: list[Row]) -> pa.Table:
        batch = pa.RecordBatch.from_pylist(rows, schema=self.schema)
        return pa.Table.from_batches([begun(batch, self.merge) if self.mode == "scd2" else batch]).cast(self.stored)

    def rows(self) -> list[Row]:
        """Give all rows."""
        return [row for file in self.files for row in file.table.to_pylist()]
