"""The writing half: batches become Parquet files with field ids, and all that Iceberg must know of each file.

Statistics come from the Parquet footer while it is still in memory, so that a commit opens no file.
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyiceberg.conversions import from_bytes, to_bytes
from pyiceberg.io.pyarrow import (
    StatsAggregator,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionSpec, partition_record_value
from pyiceberg.typedef import Record

from dativo_dagster.formats import partition
from dativo_dagster.formats.rolling import Finished, Layout
from dativo_dagster.merging.moments import begun
from dativo_ingest.model import DataFile

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema

    from dativo_dagster.config.job import Merge, Partition
    from dativo_dagster.formats.units import Units
    from dativo_dagster.storage import Storage

COUNTS = ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts")
BOUNDS = ("lower_bounds", "upper_bounds")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The table as the files see it."""

    schema: Schema
    spec: PartitionSpec
    properties: Mapping[str, str]


class Writer:
    """Writes files for one commit; units may be written at once, from many threads.

    Args:
        units: Writes the files.
        shape: The table as the files see it.
        run_date: What a virtual ``ingest_date`` says; None when there is none.
        history: What adds the columns of a table that keeps history; None for other tables.
    """

    def __init__(self, units: Units, shape: Shape, run_date: date | None, history: Merge | None = None) -> None:
        self.units = units
        self.layout = units.layout
        self.shape = shape
        self.run_date = run_date
        self.history = history
        self.plan = compute_statistics_plan(shape.schema, dict(shape.properties))
        self.ids = parquet_path_to_id_mapping(shape.schema)

    def write(self, batches: Iterable[Any], name: str) -> list[DataFile]:
        """Write the batches of one unit; nothing refers to the files yet.

        Raises:
            CommitError: ``WRITE_FAILED``; no file of the unit is left.
        """
        return [self._described(f) for f in self.units.write(map(self._whole, batches), name)]

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove files that will not be committed."""
        for file in files:
            self.layout.storage.delete(file.path)

    def close(self, *, failed: bool) -> None:  # noqa: ARG002 - files are removed by `abort`
        """Let go of a custom writer."""
        self.units.close()

    def _whole(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the columns that only the run knows."""
        if self.history is not None:
            batch = begun(batch, self.history)
        return batch if self.run_date is None else partition.dated(batch, self.run_date)

    def _described(self, file: Finished) -> DataFile:
        known = data_file_statistics_from_parquet_metadata(file.footer, self.plan, self.ids)
        for aggregate in known.column_aggregates.values():
            _bound(aggregate)
        found = known.to_serialized_dict()
        nans = {self.shape.schema.find_field(name).field_id: count for name, count in file.nans.items()}
        counts = {key: found[key] or {} for key in COUNTS} | {"nan_value_counts": nans}
        return DataFile(
            path=file.path,
            rows=file.rows,
            bytes=file.bytes,
            partition=partition.texts(self.layout.partitioning, file.values),
            statistics={
                **{key: {str(k): v for k, v in values.items()} for key, values in counts.items()},
                **{key: {str(k): b64encode(v).decode() for k, v in (found[key] or {}).items()} for key in BOUNDS},
                "split_offsets": found["split_offsets"],
                "partition": [self._bytes(at, v) for at, v in enumerate(file.values)],
            },
        )

    def _bytes(self, at: int, value: Any) -> str | None:
        field = self.shape.spec.fields[at]
        plain = partition_record_value(field, value, self.shape.schema)
        kind = field.transform.result_type(self.shape.schema.find_type(field.source_id))
        return None if plain is None else b64encode(to_bytes(kind, plain)).decode()  # type: ignore[arg-type]


def _bound(aggregate: StatsAggregator) -> None:
    """Give a text that will be cut the bound that pyiceberg cannot: after U+D7FF comes U+E000, not a surrogate."""
    text, length = aggregate.current_max, aggregate.trunc_length
    if isinstance(text, str) and length is not None and len(text) > length:
        stem = text[:length].rstrip(chr(sys.maxunicode))  # of which nothing follows
        if stem.endswith("\ud7ff"):
            aggregate.current_max = stem[:-1] + "\ue000"


def layout(storage: Storage, location: str, shape: Shape, partitioning: Sequence[Partition], **sizes: Any) -> Layout:
    """Give the layout of a table's files, ``{location}/data/[partition/]``."""
    from dativo_dagster.tables.iceberg.schema import arrow

    schema = arrow(shape.schema)
    return Layout(storage, f"{location}/data/", schema, partitioning, keep=schema.names, **sizes)


def committed_file(file: DataFile, shape: Shape, spec_id: int) -> IcebergFile:
    """Give a file as the manifest keeps it."""
    known = file.statistics
    record = [
        None
        if text is None
        else partition_record_value(
            field,
            from_bytes(
                field.transform.result_type(shape.schema.find_type(field.source_id)),  # type: ignore[arg-type]
                b64decode(text),
            ),
            shape.schema,
        )
        for field, text in zip(shape.spec.fields, known["partition"], strict=True)
    ]
    facts: dict[str, Any] = {
        **{key: {int(k): v for k, v in known[key].items()} for key in COUNTS},
        **{key: {int(k): b64decode(v) for k, v in known[key].items()} for key in BOUNDS},
    }
    made = IcebergFile.from_args(
        content=DataFileContent.DATA,
        file_path=file.path,
        file_format=FileFormat.PARQUET,
        partition=Record(*record),
        record_count=file.rows,
        file_size_in_bytes=file.bytes,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
        split_offsets=known["split_offsets"],
        **facts,
    )
    made.spec_id = spec_id
    return made
