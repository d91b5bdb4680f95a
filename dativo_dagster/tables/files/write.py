"""The writing half: batches become Parquet files in the table's folder, or in its staging area on a disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dativo_dagster.formats import partition
from dativo_dagster.formats.rolling import Layout
from dativo_dagster.merging.moments import begun
from dativo_dagster.tables.files.manifest import STAGING
from dativo_dagster.validation.typemap import arrow_schema
from dativo_ingest.model import DataFile

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from dativo_dagster.config.job import Merge, TableSpec
    from dativo_dagster.formats.units import Units
    from dativo_dagster.tables.files.folder import Folder


def layout(folder: Folder, spec: TableSpec) -> Layout:
    """Give the layout of a table's files.

    Raises:
        ConfigurationError: ``BAD_PARTITION``.
    """
    schema = arrow_schema(spec.contract)
    virtual = partition.virtual(spec.partitioning, schema.names)
    partition.check(spec.partitioning, partition.dated_schema(schema) if virtual else schema)
    return Layout(
        storage=folder.storage,
        base=f"{folder.location}/{STAGING + '/' if folder.local else ''}",
        schema=schema,
        partitioning=spec.partitioning,
        file_size_bytes=spec.file_size_bytes,
        compression=spec.compression,
        keep=schema.names,
    )


class Writer:
    """Writes files for one commit; units may be written at once, from many threads.

    Args:
        units: Writes the files.
        run_date: What a virtual ``ingest_date`` says; None when there is none.
        history: What adds the columns of a table that keeps history; None for other tables.
    """

    def __init__(self, units: Units, run_date: date | None, history: Merge | None = None) -> None:
        self.units = units
        self.layout = units.layout
        self.run_date = run_date
        self.history = history

    def write(self, batches: Iterable[Any], name: str) -> list[DataFile]:
        """Write the batches of one unit; the manifest does not name the files yet.

        Raises:
            CommitError: ``WRITE_FAILED``; no file of the unit is left.
        """
        fields = self.layout.partitioning
        return [
            DataFile(path=f.path, rows=f.rows, bytes=f.bytes, partition=partition.texts(fields, f.values))
            for f in self.units.write(map(self._whole, batches), name)
        ]

    def _whole(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the columns that only the run knows."""
        if self.history is not None:
            batch = begun(batch, self.history)
        return batch if self.run_date is None else partition.dated(batch, self.run_date)

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove files that will not be committed."""
        for file in files:
            self.layout.storage.delete(file.path)

    def close(self, *, failed: bool) -> None:  # noqa: ARG002 - files are removed by `abort`
        """Let go of a custom writer."""
        self.units.close()
