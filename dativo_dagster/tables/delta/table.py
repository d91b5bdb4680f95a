"""One Delta table as the pipeline sees it."""

from __future__ import annotations

import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dativo_dagster.tables.delta.config import Config, storage_options
from dativo_dagster.tables.delta.refuse import can_be_partitioned, can_be_written
from dativo_ingest.exceptions import CommitError, ConfigurationError, DativoError
from dativo_ingest.model import CheckResult, Column, DataFile, SchemaChange, Snapshot, Staged, State, StateChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    from deltalake import DeltaTable

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.storage import Storage
    from dativo_dagster.tables.delta.memory import Folder, Memory
    from dativo_dagster.tables.delta.write import Writer


class Table:
    """A Delta table, or the place where one will be."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        can_be_written(spec)
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
        """Give what the table remembers of the stream ``key``."""
        from dativo_dagster.tables.delta.memory import state_of

        return state_of(self._memory(key), f"table {self._location}, key {key},")

    def states(self) -> Mapping[str, State]:
        """Give all that the table remembers, by key; also what cannot be read."""
        from dativo_dagster.state.trail import shown

        kept = {key: self._memory(key) for key in self._folder.keys()}  # noqa: SIM118 - no mapping
        return {key: shown(memory.state) for key, memory in kept.items() if memory and memory.state is not None}

    def set_state(self, change: StateChange) -> None:
        """Put ``change.after`` in place of ``change.before`` and keep the change, in one version of the log.

        Raises:
            ConfigurationError: ``NO_TABLE``.
            CommitError: ``STATE_MOVED``; ``COMMIT_CONFLICT``, somebody committed meanwhile.
        """
        from deltalake.exceptions import DeltaError

        from dativo_dagster.state.trail import moved
        from dativo_dagster.tables.delta.commit import properties
        from dativo_dagster.tables.delta.memory import changed

        table = self._load()
        if table is None:
            raise ConfigurationError(
                f"table {self._location} does not exist yet, and its state is kept beside it; to begin with a certain "
                "cursor say `start` in `incremental`",
                "NO_TABLE",
            )
        there, memory = self.states().get(change.key), self._folder.mendable(table, change.key)
        if there == change.after and memory and change.to_json() in memory.changes:
            return  # an earlier try that had no answer
        if there != change.before:
            raise moved(change, there, self._location)
        version = table.version() + 1
        token = f"by-hand-{secrets.token_hex(8)}"
        self._folder.write(changed(memory, change), version, token)
        try:
            table.create_write_transaction(
                [],
                mode="append",
                schema=table.schema(),
                partition_by=table.metadata().partition_columns,
                commit_properties=properties(token, change.key, version, {"dativo.state": change.action}),
            )
        except DeltaError as error:
            raise CommitError(
                f"table {self._location}: somebody committed meanwhile; try again", "COMMIT_CONFLICT", retryable=True
            ) from error

    def state_changes(self, key: str) -> Sequence[StateChange]:
        """Give the audit trail of a key, the oldest first."""
        memory = self._memory(key)
        return [StateChange.from_json(change) for change in memory.changes] if memory else []

    def unaccounted(self, key: str) -> int:
        """Count the rows that may be those of ``key``: all, unless every stream that wrote here reads other rows."""
        from dativo_dagster.state.keys import may_share

        table = self._load()
        rows = 0 if table is None else int(table.count())
        known = self._folder.keys() if rows else []
        return rows if not known or any(may_share(other, key) for other in known) else 0

    def highest(self, column: str) -> Any:
        """Give the highest value of a column; reads that column of every file."""
        import pyarrow.compute as pc

        if column not in {c.name for c in self.columns()}:
            return None
        found = (pc.max(batch.column(0)).as_py() for batch in self._batches(column))
        return max((value for value in found if value is not None), default=None)

    def committed(self, token: str) -> Snapshot | None:
        """Give the version that carries ``token``, if there is one."""
        from dativo_dagster.tables.delta.commit import snapshot
        from dativo_dagster.tables.delta.memory import version_of

        table = self._load()
        if table is None or version_of(table, token) is None:
            return None
        return snapshot(table, self._folder, self.spec, token)

    def changes(self) -> Sequence[SchemaChange]:
        """Compare the contract with the table as it stands."""
        table = self._load()
        return () if table is None else self._look(table)[1]

    def writer(self, token: str) -> Writer:
        """Open the writing half for one commit.

        Raises:
            ConfigurationError: ``SCHEMA_CHANGE_REFUSED``, ``PARTITIONING_DIFFERS``, ``BAD_PARTITION``,
                ``TYPE_UNSUPPORTED``.
        """
        from dativo_dagster.formats.partition import virtual
        from dativo_dagster.formats.rolling import Layout
        from dativo_dagster.formats.units import Units
        from dativo_dagster.tables.delta.commit import refuse_anew
        from dativo_dagster.tables.delta.types import kept_as, schema_text
        from dativo_dagster.tables.delta.write import Writer
        from dativo_dagster.validation import evolution
        from dativo_dagster.validation.typemap import arrow_schema

        schema_text(self._wanted(), self.identifier)
        table = self._load()
        if table is not None:
            asked = self._look(table)[1]
            evolution.refuse(asked, self.identifier)
            refuse_anew(asked, self.identifier, whole=self.spec.mode == "overwrite")
        can_be_partitioned(self.spec, self._wanted(), table)
        kinds = {f.name: f.type for f in self.spec.contract.fields}
        parted = {p.column for p in self.spec.partitioning}
        in_files = arrow_schema(self._kept_contract({n: kept_as(k) for n, k in kinds.items() if n not in parted}))
        layout = Layout(
            storage=self._storage,
            base=f"{self._location}/",
            schema=in_files,
            partitioning=self.spec.partitioning,
            file_size_bytes=self.spec.file_size_bytes,
            compression=self.spec.compression,
            keep=in_files.names,
        )
        dated = virtual(self.spec.partitioning, list(kinds))
        return Writer(Units(layout, token, self.spec.plugin), kinds, self.spec.run_date if dated else None)

    def prepared(self) -> dict[str, Any]:
        """Give what `commit` must know beside the files: nothing."""
        return {}

    def commit(self, staged: Staged) -> Snapshot:
        """Make the files, the cursor and the token part of one version of the log, exactly once."""
        from dativo_dagster.tables.delta.commit import Commit

        return Commit(
            spec=self.spec,
            staged=staged,
            folder=self._folder,
            options=self._options,
            load=self._load,
            look=self._look,
            wanted=self._wanted(),
        ).run()

    def publish(self, staged: Staged, snapshot: Snapshot) -> Snapshot:  # noqa: ARG002 - refused when it is opened
        """Refuse: there is no audited commit here."""
        raise ConfigurationError(f"table {self.identifier}: nothing to publish", "AUDIT_UNSUPPORTED")

    def columns(self) -> Sequence[Column]:
        """Give the columns of the table as it stands."""
        from dativo_dagster.tables.delta.read import columns_of

        table = self._load()
        return () if table is None else columns_of(table)

    def preview(self, limit: int) -> pa.Table:
        """Give the first rows."""
        import pyarrow as pa

        rows: list[pa.RecordBatch] = []
        for batch in self._batches():
            rows.append(batch.slice(0, limit - sum(r.num_rows for r in rows)))
            if sum(r.num_rows for r in rows) >= limit:
                break
        return pa.Table.from_batches(rows) if rows else pa.table({})

    def scan(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        yield from self._batches()

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:
        """Find files of ours that no version ever named and that were written before ``older_than``.

        Files that a version removed stay for time travel; Delta's own VACUUM takes them.
        """
        from dativo_dagster.formats.rolling import OURS
        from dativo_dagster.tables.delta.log import named

        base = f"{self._location}/"
        ours = [f for f in self._storage.list(base) if OURS.fullmatch(f.path.rpartition("/")[2])]
        old = [f for f in [*ours, *self._storage.unfinished(base)] if f.modified < older_than]
        known = named(self._load(), self._storage, self._location) if old else set()
        return [DataFile(path=f.path, rows=0, bytes=f.size) for f in old if f.path.removeprefix(base) not in known]

    def remove(self, files: Sequence[DataFile]) -> None:
        """Delete files that `orphans` found."""
        for file in files:
            self._storage.delete(file.path)

    @cached_property
    def _storage(self) -> Storage:
        from dativo_dagster.storage import open_storage

        return open_storage(self._location, self.config.connection)

    @cached_property
    def _options(self) -> dict[str, str]:
        return storage_options(self._location, self.config.connection)

    @cached_property
    def _folder(self) -> Folder:
        from dativo_dagster.tables.delta.memory import Folder

        return Folder(self._storage, self._location)

    def _load(self) -> DeltaTable | None:
        """Give the table as the log has it now."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self._location, storage_options=self._options)
        except TableNotFoundError:
            return None

    def _memory(self, key: str) -> Memory | None:
        table = self._load()
        return None if table is None else self._folder.read(table, key)

    def _look(self, table: DeltaTable) -> tuple[tuple[Column, ...], tuple[SchemaChange, ...]]:
        from dativo_dagster.tables.delta.read import columns_of
        from dativo_dagster.validation import evolution

        have = columns_of(table)
        return have, evolution.diff(self._wanted(), have, self.spec.evolution)

    def _wanted(self) -> tuple[Column, ...]:
        from dativo_dagster.formats import partition

        fields = self.spec.contract.fields
        columns = [
            Column(name=f.name, type=str(f.type), nullable=not f.required, description=f.description) for f in fields
        ]
        if partition.virtual(self.spec.partitioning, [f.name for f in fields]):
            columns.append(Column(name=partition.INGEST_DATE, type="date", description="UTC date of the run"))
        return tuple(columns)

    def _kept_contract(self, kinds: Mapping[str, Any]) -> Any:
        import dataclasses

        fields = [dataclasses.replace(f, type=kinds[f.name]) for f in self.spec.contract.fields if f.name in kinds]
        return dataclasses.replace(self.spec.contract, fields=tuple(fields))

    def _batches(self, *names: str) -> Iterator[pa.RecordBatch]:
        from dativo_dagster.tables.delta.read import batches

        table = self._load()
        if table is not None:
            yield from batches(table, *names)
