"""Rows deleted as other engines do it: beside the data file, which stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table.snapshots import Operation
from pyiceberg.typedef import Record

from dativo_dagster.tables.iceberg.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyiceberg.table import Table

_IDS = {"file_path": b"2147483546", "pos": b"2147483545"}


class _Writer(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES


class _Deleting(Producer):
    made: DataFile

    def _manifests(self) -> list[ManifestFile]:
        spec, schema = self._transaction.table_metadata.spec(), self._transaction.table_metadata.schema()
        output = self.new_manifest_output()
        with _Writer(spec, schema, output, self.snapshot_id, "gzip") as writer:
            entry = ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED, snapshot_id=self.snapshot_id, data_file=self.made
            )
            writer.add_entry(entry)
        return [*super()._manifests(), writer.to_manifest_file()]


def delete_positions(table: Table, path: str, positions: Sequence[int]) -> None:
    """Delete rows of a data file by their positions."""
    place = f"{table.location()}/data/theirs-{uuid4()}-deletes.parquet"
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": _IDS["file_path"]}),
            pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": _IDS["pos"]}),
        ]
    )
    rows = pa.table({"file_path": [path] * len(positions), "pos": list(positions)}, schema=schema)
    pq.write_table(rows, place.removeprefix("file://"))
    transaction = table.transaction()
    made = _Deleting(Operation.OVERWRITE, transaction, table.io, "main")
    made.made = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=place,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=len(positions),
        file_size_in_bytes=len(table.io.new_input(place)),
        lower_bounds={2147483546: path.encode()},
        upper_bounds={2147483546: path.encode()},
    )
    made.made.spec_id = table.spec().spec_id
    made.commit()
    transaction.commit_transaction()
