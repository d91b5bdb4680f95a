"""A table in a database as the pipeline sees it: looks, decides, and hands the work to its neighbours here."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dativo_dagster.tables.sql.ledger import Ledger
from dativo_dagster.tables.sql.session import Name, quoted
from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.model import CheckResult, Column, DataFile, SchemaChange, Snapshot, Staged, State, StateChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.sql.session import Dialect, Session
    from dativo_dagster.tables.sql.staging import Staging, Writer


class SqlTable:
    """A table in a database, or the place where one will be."""

    def __init__(self, dialect: Dialect, spec: TableSpec, staging: Staging) -> None:
        if spec.audited:
            raise ConfigurationError(
                f"target.publish: a table in {dialect.label} has no branches; leave it out, or write to Iceberg",
                "AUDIT_UNSUPPORTED",
            )
        self.identifier = spec.identifier
        self.name = Name.parse(spec.identifier, dialect.default_schema)
        self.dialect = dialect
        self.spec = spec
        self.staging = staging

    def check(self) -> CheckResult:
        """Connect, and write and delete a file where rows are staged."""
        probe = f"{self.staging.location}/dativo-check-{secrets.token_hex(4)}"
        try:
            self.staging.storage.write(probe, b"")
            self.staging.storage.delete(probe)
            self.dialect.check(self.name)
        except DativoError as error:
            return CheckResult.failed("target", error)
        message = f"{self.dialect.label} can be reached, and rows can be staged in {self.staging.location}"
        return CheckResult(name="target", passed=True, message=message, details={"uri": self.staging.location})

    def location(self) -> str:
        """Give the absolute URI of the staging folder, without a slash at the end."""
        return self.staging.location

    def state(self, key: str) -> State | None:
        """Give what the table remembers of the stream ``key``."""
        with self._ledger() as ledger:
            return ledger.state(key) if ledger else None

    def states(self) -> Mapping[str, State]:
        """Give all that the table remembers, by key."""
        with self._ledger() as ledger:
            return ledger.states() if ledger else {}

    def set_state(self, change: StateChange) -> None:
        """Put ``change.after`` in place of ``change.before`` and keep the change, in one transaction.

        Raises:
            ConfigurationError: ``NO_TABLE``.
            CommitError: ``STATE_MOVED``.
        """
        if not self.columns():
            raise ConfigurationError(
                f"table {self.identifier} does not exist yet, and its state is kept beside it; to begin with a certain "
                "cursor say `start` in `incremental`",
                "NO_TABLE",
            )
        with self.dialect.serial(), self.dialect.open() as session, session.transaction():
            name = session.full(self.name)
            session.lock(name, alone=True)
            ledger = Ledger(session, name)
            ledger.make()
            ledger.change_state(change)

    def state_changes(self, key: str) -> Sequence[StateChange]:
        """Give the audit trail of a key, the oldest first."""
        with self._ledger() as ledger:
            return ledger.state_changes(key) if ledger else []

    def unaccounted(self, key: str) -> int:
        """Count the rows that may be those of ``key``: all, unless commits of other streams brought as many."""
        if not self.columns():
            return 0
        with self.dialect.open() as session:
            total = int(session.rows(f"SELECT count(*) FROM {session.full(self.name)}")[0][0])  # noqa: S608 - quoted
            ledger = self._of(session)
            others = ledger.rows_of_others(key) if ledger else None
            return 0 if others is not None and others >= total else total

    def highest(self, column: str) -> Any:
        """Give the highest value of a column, None when there is none."""
        found = [c for c in self.columns() if c.name == column]
        name = quoted(column)
        batches = self._stream(found, f"WHERE {name} IS NOT NULL ORDER BY {name} DESC LIMIT 1")
        return next((value for b in batches for value in b.column(0).to_pylist()), None)

    def committed(self, token: str) -> Snapshot | None:
        """Give the commit of ``token``, if there is one."""
        with self._ledger() as ledger:
            found = ledger.committed(token) if ledger else None
            return found[0] if found else None

    def changes(self) -> Sequence[SchemaChange]:
        """Compare the contract with the table as it stands."""
        from dativo_dagster.tables.sql import shape

        return shape.changes(self.spec, shape.wanted(self.spec, self.dialect), self.columns())

    def writer(self, token: str) -> Writer:
        """Open the writing half for one commit.

        Raises:
            ConfigurationError: ``SCHEMA_CHANGE_REFUSED``, ``TYPE_UNSUPPORTED``, ``BAD_PARTITION``.
        """
        from dativo_dagster.tables.sql import rows
        from dativo_dagster.validation import evolution

        evolution.refuse(self.changes(), self.identifier)
        if self.spec.mode == "overwrite_partitions":
            for partition in self.spec.partitioning:
                rows.transformed(partition)
        return self.staging.writer(token)

    def prepared(self) -> dict[str, Any]:
        """Give what `commit` must know beside the files: nothing."""
        return {}

    def commit(self, staged: Staged) -> Snapshot:
        """Load the files and make rows, cursor and token visible in one transaction, exactly once."""
        from dativo_dagster.tables.sql.commit import Commit

        snapshot = Commit(self.dialect, self.name, self.spec, self.staging, staged).run()
        self.staging.remove(staged.files)
        return snapshot

    def publish(self, staged: Staged, snapshot: Snapshot) -> Snapshot:  # noqa: ARG002 - refused when the table is opened
        """Refuse: there is no audited commit here."""
        raise ConfigurationError(f"table {self.identifier}: nothing to publish", "AUDIT_UNSUPPORTED")

    def columns(self) -> Sequence[Column]:
        """Give the columns of the table as it stands."""
        from dativo_dagster.tables.sql import shape

        if not self.dialect.exists():
            return ()
        with self.dialect.open() as session:
            ledger = self._of(session)
            return shape.standing(session, self.dialect, session.full(self.name), ledger.columns() if ledger else {})

    def preview(self, limit: int) -> pa.Table:
        """Give the first rows of the table."""
        import pyarrow as pa

        from dativo_dagster.tables.sql.fitting import schema_of

        columns = self.columns()
        return pa.Table.from_batches(list(self._stream(columns, f"LIMIT {limit}")), schema_of(columns))

    def scan(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows of the table."""
        yield from self._stream(self.columns())

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:
        """Find staged files that were written before ``older_than``; a commit removes its own."""
        return self.staging.left(older_than)

    def remove(self, files: Sequence[DataFile]) -> None:
        """Delete files that `orphans` found."""
        self.staging.remove(files)

    def _stream(self, columns: Sequence[Column], tail: str = "") -> Iterator[pa.RecordBatch]:
        if columns:
            with self.dialect.open() as session:
                yield from session.stream(session.full(self.name), columns, tail)

    @contextmanager
    def _ledger(self) -> Iterator[Ledger | None]:
        """Open the memory; None when nothing was ever remembered."""
        if not self.dialect.exists():
            yield None
            return
        with self.dialect.open() as session:
            yield self._of(session)

    def _of(self, session: Session) -> Ledger | None:
        ledger = Ledger(session, session.full(self.name))
        return ledger if ledger.exists() else None
