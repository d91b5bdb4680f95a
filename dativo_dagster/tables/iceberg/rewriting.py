"""Data files written again without some of their rows, or with other values in some: what merges and slices need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dativo_dagster.formats.units import Units
from dativo_dagster.merging.again import Again
from dativo_dagster.tables.iceberg.schema import arrow
from dativo_dagster.tables.iceberg.write import Shape, Writer, committed_file, layout

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table.metadata import TableMetadata

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.merging.rows import Fate
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.iceberg.rows import File
    from dativo_ingest.model import DataFile


@dataclass
class Rewriting:
    """Writes files again for one commit, over all of its attempts.

    A custom writer has no part in it: it wrote the rows of its run, and what is written again is the table's.

    Args:
        spec: What the job says of the table.
        token: The commit.
        storage: Opens the store of a URI.
    """

    spec: TableSpec
    token: str
    storage: Callable[[str], Storage]

    @cached_property
    def _again(self) -> Again:
        return Again(self.spec.file_size_bytes, lambda path: self.storage(path).delete(path))

    def write(self, touched: Sequence[tuple[File, Fate]], metadata: TableMetadata) -> list[IcebergFile]:
        """Write what stays of some files, and give the files that take their place."""
        shape = Shape(schema=metadata.schema(), spec=metadata.spec(), properties=metadata.properties)
        location = metadata.location.rstrip("/")
        made = layout(
            self.storage(location),
            location,
            shape,
            self.spec.partitioning,
            file_size_bytes=self.spec.file_size_bytes,
            compression=self.spec.compression,
        )

        def make(rows: Iterator[pa.RecordBatch], name: str) -> list[DataFile]:
            return Writer(Units(made, self.token, None), shape, None).write(rows, name)

        deletes = sorted({path for file, _ in touched for path in file.deletes})  # they say which position is which row
        stamp = f"{shape.schema}{shape.spec}{deletes}"
        files = self._again.write(touched, arrow(shape.schema).names, make, stamp)
        return [committed_file(file, shape, metadata.default_spec_id) for file in files]

    def forget(self, kept: Iterable[str]) -> None:
        """Remove what was written, but for the paths that were committed."""
        self._again.forget(set(kept).__contains__)
