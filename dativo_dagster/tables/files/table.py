"""One folder of Parquet files as the pipeline sees it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.model import CheckResult, Column, DataFile, SchemaChange, Snapshot, Staged, State, StateChange

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.files.config import Config
    from dativo_dagster.tables.files.folder import Folder
    from dativo_dagster.tables.files.manifest import Head, Segment
    from dativo_dagster.tables.files.write import Writer


class Table:
    """Parquet files in a folder, or the place where they will be."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        if spec.audited:
            raise ConfigurationError(
                "target.publish: a folder of files has no branches to audit a run on; say direct, or write to Iceberg",
                "AUDIT_UNSUPPORTED",
            )
        self.identifier = spec.identifier
        self.config = config
        self.spec = spec
        self._location = config.location(spec.identifier, spec.contract)

    def check(self) -> CheckResult:
        """Write and delete an object where the files go."""
        probe = f"{self._location}/_dativo/check-{secrets.token_hex(4)}"
        try:
            self._storage.write(probe, b"")
            self._storage.delete(probe)
        except DativoError as error:
            return CheckResult.failed("target", error)
        message = f"{self._location} can be written"
        return CheckResult(name="target", passed=True, message=message, details={"uri": self._location})

    def location(self) -> str:
        """Give the absolute URI of the folder, without a slash at the end."""
        return self._location

    def state(self, key: str) -> State | None:
        """Give what the manifest remembers of the stream ``key``."""
        head = self._head()
        return head.stream(key) if head is not None else None

    def states(self) -> Mapping[str, State]:
        """Give all that the manifest remembers, by key."""
        from dativo_dagster.tables.files.state import states

        head = self._head()
        return states(head) if head is not None else {}

    def set_state(self, change: StateChange) -> None:
        """Put a state in place of another; see `state.change_state` for what is raised."""
        from dativo_dagster.tables.files.state import change_state

        change_state(self._folder, change)

    def state_changes(self, key: str) -> Sequence[StateChange]:
        """Give the audit trail of a key."""
        from dativo_dagster.tables.files.state import changes

        head = self._head()
        return changes(head, key) if head is not None else ()

    def unaccounted(self, key: str) -> int:
        """Count the rows that may be those of ``key``."""
        from dativo_dagster.tables.files.state import unaccounted

        head = self._head()
        return unaccounted(head, key) if head is not None else 0

    def highest(self, column: str) -> Any:
        """Give the highest value of a column."""
        from dativo_dagster.tables.files.state import highest

        head = self._head()
        return highest(self._folder, head, column) if head is not None else None

    def committed(self, token: str) -> Snapshot | None:
        """Give the commit of ``token``, if there is one."""
        head = self._head()
        return head.snapshot(token, self._location, fresh=False) if head is not None and token in head.tokens else None

    def changes(self) -> Sequence[SchemaChange]:
        """Compare the contract with the manifest. Files have no field ids: a rename is a drop and an add."""
        head = self._head()
        return () if head is None else self._changes(head)

    def writer(self, token: str) -> Writer:
        """Open the writing half for one commit.

        Raises:
            ConfigurationError: ``SCHEMA_CHANGE_REFUSED``, ``PARTITIONING_DIFFERS``, ``BAD_PARTITION``.
        """
        from dativo_dagster.formats import partition
        from dativo_dagster.formats.units import Units
        from dativo_dagster.tables.files.write import Writer, layout

        head = self._head()
        if head is not None:
            self._refuse(head)
        made = layout(self._folder, self.spec)
        virtual = partition.virtual(self.spec.partitioning, made.keep)
        return Writer(
            Units(made, token, self.spec.plugin),
            self.spec.run_date if virtual else None,
            self.spec.merge if self.spec.mode == "scd2" else None,
        )

    def prepared(self) -> dict[str, Any]:
        """Give what `commit` must know beside the files: nothing."""
        return {}

    def commit(self, staged: Staged) -> Snapshot:
        """Make the files, the cursor and the token part of the manifest in one step, exactly once."""
        from dativo_dagster.tables.files.commit import Commit
        from dativo_dagster.tables.files.manifest import Head
        from dativo_dagster.tables.files.merge import meeting

        new = Head(table=self.identifier, partitioning=self._partitioning(), properties=dict(self.spec.properties))
        return Commit(
            folder=self._folder,
            staged=staged,
            new=new,
            refuse=self._refuse,
            columns=self._columns(),
            merging=meeting(self.spec, staged, self._folder),
        ).run()

    def publish(self, staged: Staged, snapshot: Snapshot) -> Snapshot:  # noqa: ARG002 - see `__init__`
        """Give the commit back: it is public already."""
        return snapshot

    def columns(self) -> Sequence[Column]:
        """Give the columns of the last commit."""
        head = self._head()
        return head.columns if head is not None else ()

    def preview(self, limit: int) -> pa.Table:
        """Give the first rows."""
        import pyarrow as pa

        from dativo_dagster.tables.files.rows import schema_of

        head = self._head()
        if head is None:
            return pa.table({})
        rows: list[pa.RecordBatch] = []
        for batch in self._read(head):
            rows.append(batch.slice(0, limit - sum(r.num_rows for r in rows)))
            if sum(r.num_rows for r in rows) >= limit:
                break
        return pa.Table.from_batches(rows, schema_of(head.columns))

    def scan(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, by the manifest."""
        head = self._head()
        return self._read(head) if head is not None else iter(())

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:
        """Find files of ours that the manifest does not name and that were written before ``older_than``."""
        from dativo_dagster.formats.rolling import OURS
        from dativo_dagster.tables.files.manifest import SEGMENTS

        found = [
            f
            for f in self._storage.list(f"{self._location}/")
            if f.modified < older_than
            and (OURS.fullmatch(f.path.rpartition("/")[2]) or f.path.startswith(f"{self._location}/{SEGMENTS}/"))
        ]
        head = self._head()
        segments = head.segments if head is not None else ()
        known = {s.path for s in segments} | {f.path for f in self._folder.files(segments)}
        nobodys = [f for f in found if f.path.removeprefix(f"{self._location}/") not in known]
        unfinished = [f for f in self._storage.unfinished(f"{self._location}/") if f.modified < older_than]
        return [DataFile(path=f.path, rows=0, bytes=f.size) for f in nobodys + unfinished]

    def remove(self, files: Sequence[DataFile]) -> None:
        """Delete files that `orphans` found."""
        for file in files:
            self._storage.delete(file.path)

    @cached_property
    def _storage(self) -> Storage:
        from dativo_dagster.storage import open_storage

        return open_storage(self._location, self.config.connection)

    @cached_property
    def _folder(self) -> Folder:
        from dativo_dagster.tables.files.folder import Folder

        return Folder(self._storage, self._location)

    def _head(self) -> Head | None:
        return self._folder.head()[0]

    def _partitioning(self) -> tuple[str, ...]:
        return tuple(f"{p.column} ({p.transform})" for p in self.spec.partitioning)

    def _columns(self) -> tuple[Column, ...]:
        from dativo_dagster.formats import partition

        fields = self.spec.contract.fields
        columns = [
            Column(name=f.name, type=str(f.type), nullable=not f.required, description=f.description) for f in fields
        ]
        if partition.virtual(self.spec.partitioning, [f.name for f in fields]):
            columns.append(Column(name=partition.INGEST_DATE, type="date", description="UTC date of the run"))
        return tuple(columns)

    def _changes(self, head: Head) -> tuple[SchemaChange, ...]:
        import dataclasses

        from dativo_dagster.validation import evolution

        policy = dataclasses.replace(self.spec.evolution, rename={})
        return evolution.diff(self._columns(), head.columns, policy)

    def _refuse(self, head: Head) -> None:
        from dativo_dagster.validation import evolution

        if head.table != self.identifier:
            raise ConfigurationError(
                f"{self._location} is the folder of table {head.table!r}, and the job writes {self.identifier!r}; give "
                "each table a folder of its own, or `warehouse` in place of `path`",
                "FOLDER_TAKEN",
            )
        if head.partitioning != self._partitioning():
            raise ConfigurationError(
                f"table {self._location} is partitioned by {', '.join(head.partitioning) or 'nothing'} and the job "
                f"says {', '.join(self._partitioning()) or 'nothing'}; say what the table has, or use a new folder",
                "PARTITIONING_DIFFERS",
            )
        evolution.refuse(self._changes(head), self._location)

    def _read(self, head: Head, segments: Sequence[Segment] | None = None) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        from dativo_dagster.tables.files.rows import fitted, schema_of

        schema = schema_of(head.columns)
        for file in self._folder.files(head.segments if segments is None else segments):
            with self._storage.open_read(f"{self._location}/{file.path}") as stream:
                for batch in pq.ParquetFile(stream).iter_batches():
                    yield fitted(batch, schema, file)
