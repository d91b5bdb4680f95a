"""The writing half: batches become Parquet files in the table's folder, which no version of the log names yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dativo_dagster.formats import partition
from dativo_dagster.tables.delta.types import stored
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import DataFile

if TYPE_CHECKING:
    from dativo_dagster.config.types import LogicalType
    from dativo_dagster.formats.rolling import Finished
    from dativo_dagster.formats.units import Units

STATISTICS = "stats"
_LONGEST = 32


class Writer:
    """Writes files for one commit; units may be written at once, from many threads."""

    def __init__(self, units: Units, kinds: dict[str, LogicalType], run_date: date | None) -> None:
        self.units = units
        self.kinds = kinds
        self.run_date = run_date

    def write(self, batches: Iterable[Any], name: str) -> list[DataFile]:
        """Write the batches of one unit; the log does not name the files yet.

        Raises:
            CommitError: ``WRITE_FAILED``; no file of the unit is left.
            ValidationError: ``BAD_PARTITION_VALUE``.
        """
        files = [self._described(f) for f in self.units.write(self._stored(batches), name)]
        empty = [name for f in files for name, value in f.partition.items() if value == ""]
        if empty:
            self.abort(files)
            raise ValidationError(
                f"column {empty[0]!r} has empty text, and Delta takes that for NULL in a column that it is partitioned "
                "by; partition by another column, or refuse empty text with `min_length: 1` in the contract",
                "BAD_PARTITION_VALUE",
                {"column": empty[0]},
            )
        return files

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove files that will not be committed."""
        for file in files:
            self.units.layout.storage.delete(file.path)

    def close(self, *, failed: bool) -> None:  # noqa: ARG002 - files are removed by `abort`
        """Let go of a custom writer."""
        self.units.close()

    def _stored(self, batches: Iterable[Any]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            arrays = {name: stored(batch.column(name), kind) for name, kind in self.kinds.items()}
            made = pa.RecordBatch.from_pydict(arrays)
            yield made if self.run_date is None else partition.dated(made, self.run_date)

    def _described(self, file: Finished) -> DataFile:
        return DataFile(
            path=file.path,
            rows=file.rows,
            bytes=file.bytes,
            partition=partition.texts(self.units.layout.partitioning, file.values),
            statistics={STATISTICS: json.dumps(_statistics(file))},
        )


def _statistics(file: Finished) -> dict[str, Any]:
    """Give the statistics that Delta keeps of a file: counts of all columns, bounds of those where they are short."""
    footer = file.footer
    found: dict[str, Any] = {"numRecords": file.rows, "nullCount": {}, "minValues": {}, "maxValues": {}}
    for at in range(footer.num_columns):
        name = footer.schema.column(at).path
        parts = [footer.row_group(g).column(at).statistics for g in range(footer.num_row_groups)]
        if "." in name or not all(p is not None and p.has_null_count for p in parts):
            continue
        found["nullCount"][name] = sum(p.null_count for p in parts)
        bounds = [(p.min, p.max) for p in parts if p.has_min_max]
        if bounds and all(_short(value) for pair in bounds for value in pair):
            found["minValues"][name] = _plain(min(low for low, _ in bounds))
            found["maxValues"][name] = _plain(max(high for _, high in bounds))
    return found


def _short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST
    return type(value) in {int, date}  # a datetime is a date too, and bounds of it would be rounded


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else float(value) if isinstance(value, Decimal) else value
