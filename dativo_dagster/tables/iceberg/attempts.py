"""A transaction that is tried until it is known to be in the table; what is not a commit of rows goes through here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyiceberg import exceptions as theirs

from dativo_dagster.state.patience import tries
from dativo_dagster.tables.iceberg.producer import MERGED
from dativo_ingest.exceptions import CommitError

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

NO_RETRY = {"commit.retry.num-retries": "0"}
CONFLICTS = (theirs.CommitFailedException, theirs.TableAlreadyExistsError)
REFUSED = (
    theirs.BadRequestError,
    theirs.UnauthorizedError,
    theirs.ForbiddenError,
    theirs.OAuthError,
    theirs.NoSuchTableError,
    theirs.ValidationError,
    theirs.ValidationException,
)


def begin(table: IcebergTable, *wanted: int) -> Transaction:
    """Open a transaction over a table that was just loaded, which stays as it is.

    Our settings are in memory only: as properties of the table they would also rule its other writers. pyiceberg
    copies all metadata at every step of a transaction; so of the history it gets the heads and the snapshots
    that are ``wanted``; the catalog keeps the rest.
    """
    metadata = table.metadata
    heads = {*wanted, *(ref.snapshot_id for ref in metadata.refs.values())}
    ours = copy.copy(table)
    ours.metadata = metadata.model_copy(
        update={
            "properties": MERGED | metadata.properties | NO_RETRY,
            "snapshots": [s for s in metadata.snapshots if s.snapshot_id in heads],
            "snapshot_log": [],
            "metadata_log": [],
        }
    )
    return ours.transaction()


def until_done(
    name: str, load: Callable[[], IcebergTable | None], act: Callable[[IcebergTable], Transaction | None]
) -> None:
    """Repeat ``act`` on the table as it is now until its transaction came through, or it finds nothing left to do.

    Args:
        name: The table's, for messages.
        load: Gives the table as the catalog has it now, None when there is none.
        act: Makes the transaction; None when there is nothing to do, or an earlier try did it.

    Raises:
        CommitError: ``COMMIT_CONFLICT`` after too many tries, retryable. ``COMMIT_REFUSED``: not.
    """
    last: Exception | None = None
    for _ in tries():
        table = load()
        transaction = act(table) if table is not None else None
        if transaction is None:
            return
        try:
            transaction.commit_transaction()
        except REFUSED as error:
            raise CommitError(
                f"table {name}: the catalog refuses the change ({type(error).__name__}: {error})", "COMMIT_REFUSED"
            ) from error
        except Exception as error:  # noqa: BLE001 - it may have landed; the next look at the table tells
            last = error
            continue
        return
    raise CommitError(
        f"table {name}: others keep committing to it, or its catalog does not answer ({type(last).__name__}: {last}); "
        "nothing is lost, run it again",
        "COMMIT_CONFLICT",
        retryable=True,
    ) from last
