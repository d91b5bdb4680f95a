"""One Iceberg table as the pipeline sees it: looks, decides, and hands the work to its neighbours in this folder.

A run that makes the table makes it in the commit of its first files, in the same transaction. Before that nothing of
it is visible, but for its namespace in REST catalogs that ask for one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dativo_dagster.tables.iceberg.kept import Kept
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import CheckResult, Column, SchemaChange, Snapshot, Staged, State, StateChange

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.iceberg.commit import Commit
    from dativo_dagster.tables.iceberg.config import Config
    from dativo_dagster.tables.iceberg.write import Shape, Writer


class Table(Kept):
    """An Iceberg table, or the place where one will be."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        super().__init__(config, spec)
        self._prepared: dict[str, Any] = {}

    def check(self) -> CheckResult:
        """Ask the catalog, then write and delete an object where the table's files go."""
        try:
            location = self.location()
            probe = f"{location}/data/dativo-check-{secrets.token_hex(4)}.parquet"  # S3 table buckets take no other
            storage = self._storage(location)
            storage.write(probe, b"")
            storage.delete(probe)
        except DativoError as error:
            return CheckResult.failed("target", error)
        return CheckResult(name="target", passed=True, message=f"{location} can be written", details={"uri": location})

    def state(self, key: str) -> State | None:
        """Give what the table remembers of the stream ``key``.

        Raises:
            ConfigurationError: ``TABLE_ROLLED_BACK``: the commit that the table remembers was taken away again;
                ``STATE_CORRUPT``.
        """
        from dativo_dagster.tables.iceberg.state import state_of

        table = self._load()
        return None if table is None else state_of(table.metadata, key, self.identifier)

    def states(self) -> Mapping[str, State]:
        """Give all that the table remembers, by key."""
        from dativo_dagster.tables.iceberg.state import states

        table = self._load()
        return {} if table is None else states(table.metadata)

    def set_state(self, change: StateChange) -> None:
        """Put a state in place of another; see `state.change_state` for what is raised."""
        from dativo_dagster.tables.iceberg.state import change_state

        with self._reaching():
            change_state(self._load, change, self.identifier)

    def state_changes(self, key: str) -> Sequence[StateChange]:
        """Give the audit trail of a key."""
        from dativo_dagster.tables.iceberg.state import changes

        table = self._load()
        return () if table is None else changes(table.metadata, key)

    def unaccounted(self, key: str) -> int:
        """Count the rows that may be those of ``key``."""
        from dativo_dagster.tables.iceberg.state import unaccounted

        table = self._load()
        return 0 if table is None else unaccounted(table.metadata, key)

    def highest(self, column: str) -> Any:
        """Give the highest value of a column."""
        from dativo_dagster.tables.iceberg.state import highest

        table = self._load()
        with self._reaching():
            return None if table is None else highest(table, column)

    def committed(self, token: str) -> Snapshot | None:
        """Give the snapshot that carries ``token``, if there is one."""
        from dativo_dagster.tables.iceberg.tokens import describe, find

        table = self._load()
        landed = find(table.metadata, token) if table is not None else None
        return None if table is None or landed is None else describe(table, token, landed, fresh=False)

    def changes(self) -> Sequence[SchemaChange]:
        """Compare the contract with the table as it stands."""
        from dativo_dagster.tables.iceberg.schema import changes

        table = self._load()
        return () if table is None else changes(table, self.spec)

    def writer(self, token: str) -> Writer:
        """Open the writing half for one commit.

        Raises:
            ConfigurationError: ``SCHEMA_CHANGE_REFUSED``, ``PARTITIONING_DIFFERS``, ``BAD_PARTITION``.
        """
        from dativo_dagster.formats.partition import virtual
        from dativo_dagster.formats.units import Units
        from dativo_dagster.tables.iceberg.write import Writer, layout

        location, shape = self._shape()
        self._prepared = {
            "location": location,
            "schema": shape.schema.model_dump(mode="json", by_alias=True),
            "spec": shape.spec.model_dump(mode="json", by_alias=True),
        }
        names = [f.name for f in self.spec.contract.fields]
        made = layout(
            self._storage(location),
            location,
            shape,
            self.spec.partitioning,
            file_size_bytes=self.spec.file_size_bytes,
            compression=self.spec.compression,
        )
        return Writer(
            Units(made, token, self.spec.plugin),
            shape,
            self.spec.run_date if virtual(self.spec.partitioning, names) else None,
            self.spec.merge if self.spec.mode == "scd2" else None,
        )

    def prepared(self) -> dict[str, Any]:
        """Give the schema, the partition spec and the place that the files were written for."""
        return self._prepared

    def commit(self, staged: Staged) -> Snapshot:
        """Make the files, the cursor and the token visible in one transaction, exactly once.

        An audited commit goes to a branch of its own, without its cursor, where only `publish` makes it visible.
        """
        from dativo_dagster.tables.iceberg.audit import branch_of

        commit = self._commit(staged)
        if self.spec.audited:
            commit.branch = branch_of(staged.token)
        return commit.run()

    def publish(self, staged: Staged, snapshot: Snapshot) -> Snapshot:
        """Make main what was audited, with cursor and token, in one transaction; a main that moved gets it anew."""
        from dativo_dagster.tables.iceberg.attempts import until_done
        from dativo_dagster.tables.iceberg.expire import without_branch

        commit = self._commit(staged)
        commit.audited = snapshot
        done = commit.run()
        if done.id != snapshot.id:
            until_done(self.identifier, self._load, lambda table: without_branch(table, snapshot.branch))
        return done

    def _commit(self, staged: Staged) -> Commit:
        from pyiceberg.partitioning import PartitionSpec
        from pyiceberg.schema import Schema

        from dativo_dagster.tables.iceberg.commit import Commit
        from dativo_dagster.tables.iceberg.decide import decider
        from dativo_dagster.tables.iceberg.rewriting import Rewriting
        from dativo_dagster.tables.iceberg.write import Shape

        prepared = staged.table
        shape = Shape(
            schema=Schema.model_validate(prepared["schema"]),
            spec=PartitionSpec.model_validate(prepared["spec"]),
            properties={},
        )
        rewriting = Rewriting(self.spec, staged.token, self._storage)
        return Commit(
            spec=self.spec,
            staged=staged,
            shape=shape,
            load=self._load,
            create=lambda: self._stage(str(prepared["location"]), for_commit=True),
            decide=decider(self.spec, staged, shape, self._storage, rewriting),
            rewriting=rewriting,
        )

    def columns(self) -> Sequence[Column]:
        """Give the columns of the table as it stands."""
        from dativo_dagster.validation.icebergmap import columns_of_iceberg

        table = self._load()
        return () if table is None else columns_of_iceberg(table.schema())

    def preview(self, limit: int) -> pa.Table:
        """Give the first rows of the table."""
        import pyarrow as pa

        rows: list[pa.RecordBatch] = []
        for batch in self._batches(limit):
            rows.append(batch.slice(0, limit - sum(r.num_rows for r in rows)))
            if sum(r.num_rows for r in rows) >= limit:
                break
        parts = [pa.Table.from_batches([r]) for r in rows] or [pa.table({})]
        return pa.concat_tables(parts, promote_options="permissive")

    def scan(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows of the table."""
        from dativo_dagster.tables.iceberg.read import BATCH_ROWS

        yield from self._batches(BATCH_ROWS)

    def _batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        from dativo_dagster.tables.iceberg.read import batches

        table = self._load()
        if table is not None:
            with self._reaching():
                yield from batches(table, self._storage, batch_rows=rows)

    def _shape(self) -> tuple[str, Shape]:
        """Give the table that files are written for: as it stands plus the changes, or as it will be made."""
        from dativo_dagster.tables.iceberg.schema import changes, predicted, same_partitioning, wanted
        from dativo_dagster.tables.iceberg.write import Shape
        from dativo_dagster.validation import evolution

        table = self._load()
        if table is None:
            made = self._stage().table_metadata
            return made.location.rstrip("/"), Shape(schema=made.schema(), spec=made.spec(), properties=made.properties)
        same_partitioning(table, self.spec.partitioning)
        planned = changes(table, self.spec)
        evolution.refuse(planned, self.identifier)
        schema = predicted(table, planned, wanted(self.spec))
        return table.location().rstrip("/"), Shape(schema=schema, spec=table.spec(), properties=table.properties)
