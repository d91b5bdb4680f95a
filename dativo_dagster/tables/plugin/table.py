"""The target of a custom writer as the pipeline sees it.

The earlier system called ``commit_files`` on the very object that had written; a writer may hold a transaction open
between the two. So the opened writer stays, in this process, from the first write to the commit.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from dativo_dagster.config.forplugins import columns
from dativo_dagster.config.location import location
from dativo_dagster.state.keys import may_share
from dativo_dagster.state.trail import moved, of_json, shown
from dativo_dagster.tables.plugin.ledger import LEDGER, Ledger
from dativo_ingest.exceptions import CommitError, ConfigurationError, DativoError
from dativo_ingest.model import CheckResult, Column, DataFile, SchemaChange, Snapshot, Staged, State, StateChange

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.storage import Storage
    from dativo_ingest.model import Usage
    from dativo_ingest.protocols import WriterPlugin

TRIES = 20

_log = logging.getLogger(__name__)
_open: dict[str, tuple[ExitStack, WriterPlugin]] = {}
_lock = threading.Lock()


class Config(BaseModel):
    """Options of a custom writer: its own affair, but for where it writes."""

    model_config = ConfigDict(extra="allow")

    path: str | None = Field(default=None, description="The writer's `output_base`.")
    output_base: str | None = Field(default=None, description="The same, by its older name.")
    warehouse: str | None = Field(default=None, description="A folder with one of these for each table.")
    connection: dict[str, Any] = Field(default_factory=dict, description="How to reach the target.")


class Table:
    """The target of a custom writer."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        if spec.mode != "append":
            raise ConfigurationError(
                f"target.mode {spec.mode!r}: a custom writer that commits by itself only appends; leave `mode` out, or "
                "name a `connector` whose table commits the writer's files",
                "PLUGIN_MODE",
            )
        if spec.audited:
            raise ConfigurationError(
                "target.publish: what a custom writer commits by itself cannot be audited before; say direct",
                "AUDIT_UNSUPPORTED",
            )
        if spec.plugin is None:
            raise ConfigurationError("target.connector plugin: name the plugin in `custom_writer`", "BAD_JOB")
        self.identifier = spec.identifier
        self.config = config
        self.spec = spec
        self._plugin = spec.plugin

    def check(self) -> CheckResult:
        """Ask the writer."""
        try:
            with self._plugin() as writer:
                return writer.check()
        except DativoError as error:
            return CheckResult.failed("target", error)

    def location(self) -> str:
        """Give the URI of the writer's ``output_base``, without a slash at the end."""
        options = self.config
        return location(
            self.spec.identifier,
            self.spec.contract,
            path=options.path or options.output_base,
            warehouse=options.warehouse,
            connection=options.connection,
        )

    def state(self, key: str) -> State | None:
        """Give what the ledger remembers of the stream ``key``."""
        found = self._ledger()[0].streams.get(key)
        return None if found is None else of_json(found, f"state {key} in {self.location()}/{LEDGER}")

    def states(self) -> Mapping[str, State]:
        """Give all that the ledger remembers, by key."""
        streams = self._ledger()[0].streams
        return {key: shown(streams[key]) for key in sorted(streams)}

    def set_state(self, change: StateChange) -> None:
        """Put a state in place of another.

        Raises:
            CommitError: ``STATE_MOVED``; ``COMMIT_CONFLICT``, others keep changing the ledger.
        """

        def changed(ledger: Ledger) -> Ledger | None:
            found = ledger.streams.get(change.key)
            there = None if found is None else shown(found)
            if there == change.after and change.to_json() in ledger.changes.get(change.key, ()):
                return None
            if there != change.before:
                raise moved(change, there, self.identifier)
            return ledger.with_change(change)

        self._write(changed, "nothing was changed")

    def state_changes(self, key: str) -> Sequence[StateChange]:
        """Give the audit trail of a key."""
        return [StateChange.from_json(entry) for entry in self._ledger()[0].changes.get(key, ())]

    def unaccounted(self, key: str) -> int:
        """Count the rows that the ledger does not know to be other streams'; what else the target has, nobody knows."""
        ledger = self._ledger()[0]
        others = sum(rows for other, rows in ledger.rows_of.items() if not may_share(other, key))
        return ledger.rows if ledger.rows > others else 0

    def highest(self, column: str) -> Any:  # noqa: ARG002 - there is no way to read a writer's target
        """Know of no value."""
        return None

    def committed(self, token: str) -> Snapshot | None:
        """Give the commit of ``token``, if there is one."""
        found = self._ledger()[0].tokens.get(token)
        return None if found is None else dataclasses.replace(Snapshot.from_json(found), fresh=False)

    def changes(self) -> Sequence[SchemaChange]:
        """Give nothing: what the target has is the writer's affair."""
        return ()

    def writer(self, token: str) -> Writer:
        """Open the custom writer, which stays open until the commit of ``token``."""
        _close(token)  # of an attempt that failed
        with ExitStack() as stack:
            writer = stack.enter_context(self._plugin())
            with _lock:
                _open[token] = (stack.pop_all(), writer)
        return Writer(writer, self.location(), token)

    def prepared(self) -> dict[str, Any]:
        """Give what `commit` must know beside the files: nothing."""
        return {}

    def commit(self, staged: Staged) -> Snapshot:
        """Let the writer commit, then note it in the ledger.

        Raises:
            CommitError: The writer refused, or the ledger cannot be written.
        """
        landed = self.committed(staged.token)
        if landed is not None:
            _close(staged.token)
            return landed
        if staged.files:
            self._commit_files(staged)
        snapshot = Snapshot(
            id=staged.token[:12],
            table=self.identifier,
            token=staged.token,
            location=self.location(),
            files=len(staged.files),
            rows=sum(f.rows for f in staged.files),
            bytes=sum(f.bytes for f in staged.files),
        )
        self._note(staged, snapshot)
        _close(staged.token)
        return snapshot

    def publish(self, staged: Staged, snapshot: Snapshot) -> Snapshot:  # noqa: ARG002 - see `__init__`
        """Give the commit back: it is public already."""
        return snapshot

    def columns(self) -> Sequence[Column]:
        """Give the columns of the contract, once something was committed."""
        return columns(self.spec.contract) if self._ledger()[0].tokens else ()

    def preview(self, limit: int) -> pa.Table:  # noqa: ARG002 - there is no way to read a writer's target
        """Give no rows: only the writer knows what it made."""
        import pyarrow as pa

        return pa.table({})

    def scan(self) -> Iterator[pa.RecordBatch]:
        """Yield nothing, as `preview`."""
        return iter(())

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:  # noqa: ARG002 - files are the writer's
        """Find nothing: which files are whose is the writer's affair."""
        return []

    def remove(self, files: Sequence[DataFile]) -> None:
        """Do nothing, as `orphans` finds nothing."""

    def _commit_files(self, staged: Staged) -> None:
        try:
            self._ask_to_commit(staged)
        except BaseException as error:
            if not getattr(error, "retryable", False):  # nobody will try this commit again
                _close(staged.token)
            raise

    def _ask_to_commit(self, staged: Staged) -> None:
        with _lock:
            kept = _open.get(staged.token)
        if kept is not None:
            answer = kept[1].commit(staged.token, staged.files)
        else:  # another process, or a step that runs again by itself: a writer that needs its own object says so
            with self._plugin() as writer:
                answer = writer.commit(staged.token, staged.files)
        _log.info("%s committed %s files: %s", self.identifier, len(staged.files), json.dumps(answer, default=str))

    def _note(self, staged: Staged, snapshot: Snapshot) -> None:
        self._write(lambda ledger: ledger.with_commit(staged, snapshot), "the writer committed, but that is not noted")

    def _write(self, change: Callable[[Ledger], Ledger | None], failing: str) -> None:
        """Replace the ledger by what ``change`` makes of it; None leaves it."""
        path = f"{self.location()}/{LEDGER}"
        for _ in range(TRIES):
            ledger, etag = self._ledger()
            new = change(ledger)
            if new is None:
                return
            data = new.dumps().encode()
            if self._storage.put_if_match(path, data, etag) if etag else self._storage.put_if_absent(path, data):
                return
        raise CommitError(
            f"table {self.identifier}: {failing}: the ledger {path} was changed by others {TRIES} times in a row; run "
            "again",
            "COMMIT_CONFLICT",
            retryable=True,
        )

    def _ledger(self) -> tuple[Ledger, str]:
        found = self._storage.find(f"{self.location()}/{LEDGER}")
        if found is None:
            return Ledger(), ""
        with self._storage.open_read(found.path, etag=found.etag) as stream:
            return Ledger.loads(stream.read().decode()), found.etag

    @cached_property
    def _storage(self) -> Storage:
        from dativo_dagster.storage import open_storage

        return open_storage(self.location(), self.config.connection)


class Writer:
    """The writing half: hands everything to the custom writer."""

    def __init__(self, plugin: WriterPlugin, location: str, token: str) -> None:
        self._plugin, self._base, self._token = plugin, f"{location}/", token
        self._wrote = self._cancelled = False

    @property
    def usage(self) -> Sequence[Usage]:
        """Give what the custom writer took so far, where its place is paid by use."""
        return getattr(self._plugin, "usage", ())

    def write(self, batches: Iterable[Any], name: str) -> list[DataFile]:
        """Write the batches of one unit."""
        files = self._plugin.write(batches, self._base, f"{self._token}-{name}")
        self._wrote = self._wrote or bool(files)
        return files

    def cancel(self) -> None:
        """End a custom writer that does not end by itself, where its place can; any thread may."""
        if cancel := getattr(self._plugin, "cancel", None):
            self._cancelled = True
            cancel()

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove files that will not be committed; who was ended cannot be asked to."""
        if self._cancelled:
            _log.warning("%d files of a custom writer that had to be ended are left at the target", len(files))
            return
        self._plugin.abort(files)

    def close(self, *, failed: bool) -> None:
        """Close the custom writer when it will not be asked to commit."""
        if failed or not self._wrote:
            _close(self._token)


def _close(token: str) -> None:
    with _lock:
        kept = _open.pop(token, None)
    if kept is not None:
        kept[0].close()
