"""The commit: files, cursor and token in one transaction of the catalog, exactly once.

Our own retry, not pyiceberg's: its retry applies an append again after a conflict without looking for our token, so
that two runs with one token make the rows double. Ours loads the table, looks for the token, and only then tries
(again). After an answer that says nothing (a lost connection, a 5xx) it does the same: the token tells whether the
commit landed, and one that lands late fails, because every commit names the snapshot it stands on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pyiceberg.table.refs import MAIN_BRANCH

from dativo_dagster.state.patience import tries
from dativo_dagster.tables.iceberg import audit
from dativo_dagster.tables.iceberg.attempts import CONFLICTS, REFUSED, begin
from dativo_dagster.tables.iceberg.change import Change
from dativo_dagster.tables.iceberg.producer import produce
from dativo_dagster.tables.iceberg.schema import agree, changes, evolve, same_spec, wanted
from dativo_dagster.tables.iceberg.tokens import STATE, TOKEN, describe, find
from dativo_dagster.telemetry import event
from dativo_dagster.validation import evolution
from dativo_ingest.exceptions import CommitError, DativoError
from dativo_ingest.model import Snapshot, Staged, State

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.iceberg.decide import Decide
    from dativo_dagster.tables.iceberg.rewriting import Rewriting
    from dativo_dagster.tables.iceberg.write import Shape

logger = logging.getLogger(__name__)
UNCLEAR_TRIES = 5


@dataclass
class Commit:
    """One commit on its way.

    Args:
        spec: What the job says of the table.
        staged: What is to be committed.
        shape: The table as the files were written for.
        load: Gives the table as the catalog has it now, None when there is none.
        create: Gives a transaction that makes the table.
        decide: Says which files come and go.
        rewriting: Writes files again for ``decide``.
        branch: Where the commit goes.
        audited: The snapshot that is to be published, of an audited commit whose audit is over.
        sending: Whether something was sent of which nobody knows yet that it did not land.
    """

    spec: TableSpec
    staged: Staged
    shape: Shape
    load: Callable[[], IcebergTable | None]
    create: Callable[[], Transaction]
    decide: Decide
    rewriting: Rewriting
    branch: str = MAIN_BRANCH
    audited: Snapshot | None = None
    table: IcebergTable | None = None
    sent: dict[int, Change] = field(default_factory=dict)
    conflicts: list[Exception] = field(default_factory=list)
    unclear: list[Exception] = field(default_factory=list)
    sending: bool = False

    def run(self) -> Snapshot:
        """Commit, or find that it is done.

        Raises:
            CommitError: ``COMMIT_CONFLICT`` or ``COMMIT_UNKNOWN`` after too many tries, ``SCHEMA_MOVED``: retryable.
                ``COMMIT_REFUSED``: not.
        """
        try:
            done = self._run()
        except BaseException:
            if not (self.unclear or self.sending):  # an interrupt while the catalog answers: it may have landed
                self.rewriting.forget(())
            raise
        landed = self.sent.get(int(done.id)) if done.id.isdigit() else None
        if landed is not None or not self.unclear:
            self.rewriting.forget(file.file_path for file in (landed.added if landed is not None else ()))
        if self.conflicts or self.unclear:
            said = f"committed after {len(self.conflicts)} conflicts and {len(self.unclear)} lost answers"
            self._tell("commit_retried", said)
        return done

    def _run(self) -> Snapshot:
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
        raise self._error("others keep committing to it", "COMMIT_CONFLICT", self.conflicts[-1])

    def _look(self) -> Snapshot | None:
        """Look for the token in the table as it is now, and for what we sent on the branch."""
        self.table = self.load()
        if self.table is None:
            return None
        token, metadata = self.staged.token, self.table.metadata
        landed = find(metadata, token)
        if landed is not None:
            return describe(self.table, token, landed, fresh=landed in self.sent)
        ref = metadata.refs.get(self.branch)
        if ref is None or ref.snapshot_id not in self.sent or self.branch == MAIN_BRANCH:
            return None
        return describe(self.table, token, ref.snapshot_id, fresh=True, branch=self.branch)

    def _send(self) -> Snapshot | None:
        """Send the commit; None when it did not land, when nobody knows, or when it must be looked at once more."""
        transaction, snapshot_id = self._prepare(self.table)
        self.sending = True
        try:
            made = transaction.commit_transaction()
        except CONFLICTS as error:
            self.sending = False
            self.conflicts.append(error)
            return None
        except REFUSED as error:
            self.sending = False
            raise self._error("the catalog refuses the commit", "COMMIT_REFUSED", error, retryable=False) from error
        except Exception as error:  # noqa: BLE001 - it may have landed; the next look at the table tells
            self.unclear.append(error)
            return None
        if self.table is None:
            # SeaweedFS lets two writers at once make the same table, and the later one replaces the earlier.
            return None
        branch = "" if self.branch == MAIN_BRANCH else self.branch
        return describe(made, self.staged.token, snapshot_id, fresh=True, branch=branch)

    def _prepare(self, table: IcebergTable | None) -> tuple[Transaction, int]:
        """Put everything into one transaction; what may be refused comes before anything is written."""
        if table is not None and self.audited and audit.can_be_published(table.metadata, int(self.audited.id)):
            return self._move(table, int(self.audited.id))
        transaction = self._begin(table)
        agree(self.shape.schema, transaction.table_metadata.schema(), self.spec.identifier)
        same_spec(self.shape.spec, transaction.table_metadata.spec(), self.spec.identifier)
        change = self.decide(table, transaction.table_metadata)
        made = produce(
            transaction,
            removed=change.removed,
            added=change.added,
            summary=self._summary(),
            branch=MAIN_BRANCH if self.branch == MAIN_BRANCH else None,
            read=self.staged.mode != "append",
        )
        self.sent[made] = change
        if self.branch == MAIN_BRANCH:
            self._remember(transaction)
        elif audit.put(transaction, self.branch, made):
            self._tell("branch_replaced", f"branch {self.branch}, which an earlier run left, is replaced")
        return transaction, made

    def _begin(self, table: IcebergTable | None) -> Transaction:
        if table is None:
            return self.create()
        transaction = begin(table)
        planned = changes(table, self.spec)
        evolution.refuse(planned, self.spec.identifier)
        evolve(transaction, planned, wanted(self.spec))
        return transaction

    def _move(self, table: IcebergTable, snapshot_id: int) -> tuple[Transaction, int]:
        """Make main what was audited."""
        transaction = begin(table, snapshot_id)
        audit.publish(transaction, audit.branch_of(self.staged.token), snapshot_id)
        self._remember(transaction)
        self.sent[snapshot_id] = Change()
        return transaction, snapshot_id

    def _remember(self, transaction: Transaction) -> None:
        """Put cursor and token into the table's properties, together with what the job says of the table."""
        state = State(
            token=self.staged.token,
            cursor=self.staged.cursor,
            committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        transaction.set_properties({**self.spec.properties, STATE + self.staged.key: state.dumps()})

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

    def _tell(self, kind: str, what: str) -> None:
        facts = {"conflicts": len(self.conflicts), "lost_answers": len(self.unclear)}
        event(logger, kind, f"{self.spec.identifier}: {what}", table=self.spec.identifier, **facts)

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
