"""The writing half: validated rows become Parquet files in a staging folder, where only the commit finds them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.config.location import location
from dativo_ingest.model import DataFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.formats.units import Units
    from dativo_dagster.storage import Storage
    from dativo_ingest.model import Column

STORES = ("s3", "minio", "gcs")


@dataclass(frozen=True)
class Staging:
    """The folder of a table's staged files: ``{folder}/schema/table``, or below the embedded warehouse."""

    spec: TableSpec
    folder: str | None
    connection: Mapping[str, Any]

    @cached_property
    def location(self) -> str:
        """Give the absolute URI of the folder, without a slash at the end."""
        spec = self.spec
        return location(spec.identifier, spec.contract, path=None, warehouse=self.folder, connection=self._store)

    @cached_property
    def storage(self) -> Storage:
        """Open the store that the folder is in."""
        from dativo_dagster.storage import open_storage

        return open_storage(self.location, self._store)

    @cached_property
    def _store(self) -> dict[str, Any]:
        return {k: v for k, v in self.connection.items() if k in STORES}

    def writer(self, token: str) -> Writer:
        """Open the writing half for one commit."""
        from dativo_dagster.formats.partition import virtual
        from dativo_dagster.formats.rolling import Layout
        from dativo_dagster.formats.units import Units
        from dativo_dagster.validation.typemap import arrow_schema

        schema = arrow_schema(self.spec.contract)
        for name in self._added():
            schema = schema.remove(schema.get_field_index(name))
        layout = Layout(
            storage=self.storage,
            base=f"{self.location}/",
            schema=schema,
            partitioning=(),  # partitions are a matter of rows here, not of files
            file_size_bytes=self.spec.file_size_bytes,
            compression=self.spec.compression,
            keep=schema.names,
        )
        dated = virtual(self.spec.partitioning, schema.names)
        return Writer(Units(layout, token, self.spec.plugin), self.spec.run_date if dated else None)

    def _added(self) -> list[str]:
        """Name the columns of the contract that only the commit fills."""
        from dativo_dagster.merging.moments import added

        return list(added(self.spec.merge)) if self.spec.mode == "scd2" and self.spec.merge else []

    def read(self, files: Sequence[DataFile], columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of staged files in the Arrow types of ``columns``."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from dativo_dagster.tables.sql.fitting import fitted, schema_of

        schema = schema_of(columns)
        dates = {f.path: f.statistics.get("ingest_date") for f in files}
        for file in files:
            with self.storage.open_read(file.path) as stream:
                for batch in pq.ParquetFile(stream).iter_batches():
                    extra = {} if dates[file.path] is None else {"ingest_date": pa.scalar(dates[file.path])}
                    yield fitted(batch, schema, extra)

    def remove(self, files: Sequence[DataFile]) -> None:
        """Delete staged files."""
        for file in files:
            self.storage.delete(file.path)

    def left(self, older_than: datetime) -> list[DataFile]:
        """Find files of ours, and halves of files, that were written before ``older_than``."""
        from dativo_dagster.formats.rolling import OURS

        base = f"{self.location}/"
        ours = [f for f in self.storage.list(base) if OURS.fullmatch(f.path.rpartition("/")[2])]
        found = [*ours, *self.storage.unfinished(base)]
        return [DataFile(path=f.path, rows=0, bytes=f.size) for f in found if f.modified < older_than]


class Writer:
    """Writes files for one commit; units may be written at once, from many threads."""

    def __init__(self, units: Units, run_date: date | None) -> None:
        self.units = units
        self.facts = {} if run_date is None else {"ingest_date": run_date.isoformat()}

    def write(self, batches: Iterable[Any], name: str) -> list[DataFile]:
        """Write the batches of one unit; the database knows nothing of them yet.

        Raises:
            CommitError: ``WRITE_FAILED``; no file of the unit is left.
        """
        found = self.units.write(batches, name)
        return [DataFile(path=f.path, rows=f.rows, bytes=f.bytes, statistics=self.facts) for f in found]

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove files that will not be committed."""
        for file in files:
            self.units.layout.storage.delete(file.path)

    def close(self, *, failed: bool) -> None:  # noqa: ARG002 - files are removed by `abort`
        """Let go of a custom writer."""
        self.units.close()
