"""The commit: claim the token, load the rows, write down where the stream is now; one transaction of the database."""

from __future__ import annotations

import dataclasses
import logging
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dativo_dagster.state.patience import tries
from dativo_dagster.tables.sql import merge, rows, shape
from dativo_dagster.tables.sql.ledger import Ledger
from dativo_dagster.tables.sql.session import listed
from dativo_dagster.validation import evolution
from dativo_ingest.exceptions import CommitError, DativoError
from dativo_ingest.model import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.sql.session import Dialect, Name, Session
    from dativo_dagster.tables.sql.staging import Staging
    from dativo_ingest.model import Column, Staged

_log = logging.getLogger(__name__)


@dataclass
class Commit:
    """One commit on its way. A lost answer is looked up by the token; ``attempt`` tells whose commit it was."""

    dialect: Dialect
    name: Name
    spec: TableSpec
    staging: Staging
    staged: Staged
    attempt: str = field(default_factory=lambda: secrets.token_hex(8))

    def run(self) -> Snapshot:
        """Commit, or find that it is done.

        Raises:
            CommitError: ``COMMIT_CONFLICT`` or ``COMMIT_UNKNOWN`` after too many tries, both retryable.
        """
        last: DativoError | None = None
        for _ in tries():
            done = self._tried()
            if isinstance(done, Snapshot):
                return done
            last = done
            _log.info("table %s: the commit is tried again: %s", self.name, last.message)
        assert last is not None  # noqa: S101 - tells mypy that a try was made
        raise self._given_up(last) from last

    def _tried(self) -> Snapshot | DativoError:
        """Commit once; an error that is given back may pass."""
        try:
            with self.dialect.serial(), self.dialect.open() as session:
                self.name = session.full(self.name)
                return self._done(session)
        except DativoError as error:
            if not error.retryable:
                raise
            return error

    def _given_up(self, last: DativoError) -> CommitError:
        busy = last.error_code in {"COMMIT_CONFLICT", "DATABASE_LOCKED"}
        return CommitError(
            f"table {self.name}: {'others keep it busy' if busy else 'it cannot be written'} ({last.message}); the "
            "files are staged, and running again repeats nothing that landed",
            "COMMIT_CONFLICT" if busy else "COMMIT_UNKNOWN",
            {"table": str(self.name), "token": self.staged.token},
            retryable=True,
        )

    def _done(self, session: Session) -> Snapshot:
        with session.transaction():
            self._try(session)
        found = Ledger(session, self.name).committed(self.staged.token)
        if found is None:
            raise CommitError(f"table {self.name}: a commit that landed was taken away again", "COMMIT_FAILED")
        return dataclasses.replace(found[0], fresh=found[1] == self.attempt)

    def _try(self, session: Session) -> None:
        ledger = Ledger(session, self.name)
        if not ledger.exists():
            session.lock(self.name.beside(""), alone=True)
            ledger.make()
        if not ledger.claim(self.staged, self.attempt):
            return
        new = shape.wanted(self.spec, self.dialect)
        batches = self.staging.read(self.staged.files, shape.loaded(self.spec, new))
        replaced = 0
        if self.spec.mode == "append":
            columns = self._shaped(session, ledger, new)
            session.insert(self.name, batches, new)
        else:  # what takes long is done before the table is held
            session.load(batches, shape.loaded(self.spec, new))
            columns = self._shaped(session, ledger, new)
            replaced = self._replace(session, new)
        ledger.put_columns(columns, self.spec.properties)
        ledger.finish(self.staged, replaced, session.total(self.name))

    def _replace(self, session: Session, columns: Sequence[Column]) -> int:
        """Bring in rows that others make room for; gives how many that were there are gone."""
        if self.spec.mode == "scd2":
            from dativo_dagster.tables.sql import history

            return history.put(session, self.name, self.spec, self.staged, columns, self.staging)
        if self.spec.mode == "merge":
            return merge.put(session, self.name, self.spec, self.staged, columns)
        return rows.put(session, self.name, self.spec, columns)

    def _shaped(self, session: Session, ledger: Ledger, new: Sequence[Column]) -> tuple[Column, ...]:
        """Wait for the table, make or change it, and give its columns.

        Appends that change nothing write side by side; all else waits until it is alone.
        """
        have = shape.standing(session, self.dialect, self.name, ledger.columns())
        alone = self.spec.mode != "append" or not have or self._changing(new, have)
        session.lock(self.name, alone=alone)
        have = shape.standing(session, self.dialect, self.name, ledger.columns())
        asked = shape.changes(self.spec, new, have)
        evolution.refuse(asked, self.spec.identifier)
        if not alone and (not have or self._changing(new, have)):
            raise CommitError(f"table {self.name}: it was changed meanwhile", "COMMIT_CONFLICT", retryable=True)
        if not have:
            session.execute(shape.create(self.name, new, self.dialect))
            if self.dialect.indexes and self.spec.merge is not None:
                session.execute(f"CREATE INDEX ON {self.name} ({listed(self.spec.merge.key)})")
        for statement in shape.alter(self.name, asked, new, have, self.dialect):
            session.execute(statement)
        return evolution.promised(new, have)

    def _changing(self, new: Sequence[Column], have: Sequence[Column]) -> bool:
        return any(c.kind != "require" for c in shape.changes(self.spec, new, have))
