"""The commit: files, cursor and token in one transaction of the catalog, exactly once.

Our own retry, not pyiceberg's: its retry applies an append again after a conflict without looking for our token, so
that two runs with one token make the rows double. Ours loads the table, looks for the token, and only then tries
(again). After an answer that says nothing (a lost connection, a 5xx) it does the same: the token tells whether the
commit landed, and one that lands late fails, because every commit names the snapshot it stands on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pyiceberg import exceptions as theirs
from pyiceberg.table.snapshots import ancestors_of

from dativo_dagster.state.patience import tries
from dativo_dagster.tables.iceberg.change import Change, whole_files
from dativo_dagster.tables.iceberg.schema import agree, changes, evolve, wanted
from dativo_dagster.validation import evolution
from dativo_ingest.exceptions import CommitError, DativoError
from dativo_ingest.model import Snapshot, Staged, State

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.iceberg.write import Shape

TOKEN = "dativo.commit-token"  # noqa: S105 - a key, not a secret
STATE = "dativo.state."
NO_RETRY = {"commit.retry.num-retries": "0"}
UNCLEAR_TRIES = 5
REFUSED = (
    theirs.BadRequestError,
    theirs.UnauthorizedError,
    theirs.ForbiddenError,
    theirs.OAuthError,
    theirs.NoSuchTableError,
    theirs.ValidationError,
    theirs.ValidationException,
)


@dataclass
class Commit:
    """One commit on its way.

    Args:
        spec: What the job says of the table.
        staged: What is to be committed.
        shape: The table as the files were written for.
        load: Gives the table as the catalog has it now, None when there is none.
        create: Gives a transaction that makes the table.
    """

    spec: TableSpec
    staged: Staged
    shape: Shape
    load: Callable[[], IcebergTable | None]
    create: Callable[[], Transaction]
    table: IcebergTable | None = None
    sent: set[int | None] = field(default_factory=set)
    conflict: Exception | None = None
    unclear: list[Exception] = field(default_factory=list)

    def run(self) -> Snapshot:
        """Commit, or find that it is done.

        Raises:
            CommitError: ``COMMIT_CONFLICT`` or ``COMMIT_UNKNOWN`` after too many tries, ``SCHEMA_MOVED``: retryable.
                ``COMMIT_REFUSED``: not.
        """
        for _ in tries():
            try:
                done = self._look()
            except DativoError as error:
                if not self.unclear or not error.retryable:
                    raise
                continue  # still lost after a commit of which nobody knows what became
            if done is None and len(self.unclear) == UNCLEAR_TRIES:
                break
            done = done or self._send()
            if done is not None:
                return done
        if self.unclear:
            raise self._error("nobody can say whether it landed", "COMMIT_UNKNOWN", self.unclear[-1])
        raise self._error("others keep committing to it", "COMMIT_CONFLICT", self.conflict)

    def _look(self) -> Snapshot | None:
        """Look for the token in the table as it is now."""
        self.table = self.load()
        landed = find(self.table.metadata, self.staged.token) if self.table is not None else None
        if self.table is None or landed is None:
            return None
        return describe(self.table, self.staged.token, landed, fresh=landed in self.sent)

    def _send(self) -> Snapshot | None:
        """Send the commit; None when it did not land, when nobody knows, or when it must be looked at once more."""
        transaction = self._prepare(self.table)
        snapshot_id = transaction.table_metadata.current_snapshot_id
        self.sent.add(snapshot_id)
        try:
            made = transaction.commit_transaction()
        except (theirs.CommitFailedException, theirs.TableAlreadyExistsError) as error:
            self.conflict = error
            return None
        except REFUSED as error:
            raise self._error("the catalog refuses the commit", "COMMIT_REFUSED", error, retryable=False) from error
        except Exception as error:  # noqa: BLE001 - it may have landed; the next look at the table tells
            self.unclear.append(error)
            return None
        if self.table is None:
            # SeaweedFS lets two writers at once make the same table, and the later one replaces the earlier.
            return None
        return describe(made, self.staged.token, snapshot_id or 0, fresh=True)

    def _prepare(self, table: IcebergTable | None) -> Transaction:
        """Put everything into one transaction; what may be refused comes before anything is written."""
        transaction = self._begin(table)
        agree(self.shape.schema, transaction.table_metadata.schema(), self.spec.identifier)
        change = self._change(table, transaction.table_metadata.default_spec_id)
        state = State(
            token=self.staged.token,
            cursor=self.staged.cursor,
            committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        transaction.set_properties({**self.spec.properties, STATE + self.staged.key: state.dumps()})
        self._add_snapshot(transaction, change)
        return transaction

    def _begin(self, table: IcebergTable | None) -> Transaction:
        if table is None:
            return self.create()
        # In memory only: as a property of the table it would also rule its other writers.
        table.metadata = table.metadata.model_copy(update={"properties": table.metadata.properties | NO_RETRY})
        transaction = table.transaction()
        planned = changes(table, self.spec)
        evolution.refuse(planned, self.spec.identifier)
        evolve(transaction, planned, wanted(self.spec))
        return transaction

    def _change(self, table: IcebergTable | None, spec_id: int) -> Change:
        """Decide which files come and go, against the table as it is now."""
        return whole_files(table, self.staged, self.shape, spec_id)

    def _add_snapshot(self, transaction: Transaction, change: Change) -> None:
        """Add the files. A commit without any still makes a snapshot: it carries the token."""
        update = transaction.update_snapshot(snapshot_properties=self._summary())
        producer = update.overwrite() if change.removed else update.fast_append()
        for gone in change.removed:
            producer.delete_data_file(gone)
        for file in change.added:
            producer.append_data_file(file)
        producer.commit()

    def _summary(self) -> dict[str, str]:
        counts = self.staged.counts
        return {
            **self.staged.properties,
            TOKEN: self.staged.token,
            "dativo.key": self.staged.key,
            "dativo.rows-read": str(counts.read),
            "dativo.rows-written": str(counts.written),
            "dativo.rows-rejected": str(counts.rejected),
        }

    def _error(self, why: str, code: str, error: Exception | None, *, retryable: bool = True) -> CommitError:
        refusal = CommitError(
            f"table {self.spec.identifier}: {why} ({type(error).__name__}: {error}); the files are written, and "
            "running again repeats nothing that landed",
            code,
            {"table": self.spec.identifier, "token": self.staged.token},
            retryable=retryable,
        )
        refusal.__cause__ = error
        return refusal


def find(metadata: TableMetadata, token: str) -> int | None:
    """Give the snapshot that carries ``token``, 0 when it has expired, None when there is none.

    Only ancestors of the current snapshot count: what a rollback took away is not in the table.
    """
    for snapshot in ancestors_of(metadata.current_snapshot(), metadata):
        if snapshot.summary is not None and snapshot.summary.get(TOKEN) == token:
            return snapshot.snapshot_id
    known = any(s.summary is not None and s.summary.get(TOKEN) == token for s in metadata.snapshots)
    expired = not known and any(
        State.loads(value).token == token for key, value in metadata.properties.items() if key.startswith(STATE)
    )
    return 0 if expired else None


def describe(table: IcebergTable, token: str, snapshot_id: int, *, fresh: bool) -> Snapshot:
    """Give a commit as the pipeline reports it."""
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    summary = snapshot.summary if snapshot is not None else None

    def number(key: str) -> int:
        return int((summary.get(key) if summary is not None else None) or 0)

    return Snapshot(
        id=str(snapshot_id or "expired"),
        table=".".join(table.name()),
        token=token,
        location=table.location(),
        files=number("added-data-files"),
        rows=number("added-records"),
        bytes=number("added-files-size"),
        total_rows=number("total-records") if summary is not None else None,
        total_files=number("total-data-files") if summary is not None else None,
        fresh=fresh,
    )
