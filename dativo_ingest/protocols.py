"""The shapes that the pipeline needs of its parts. Nothing inherits from them; a part only has to fit.

Batches are record batches: objects with ``schema``, ``num_rows`` and ``__arrow_c_array__``. Each batch carries its
own schema and schemas may differ from batch to batch, because a source may be able to type one block of rows and
not the next; validation brings every batch to the contract's types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from dativo_ingest.model import (
        CheckResult,
        Column,
        Cursor,
        DataFile,
        Leftover,
        PluginRef,
        Replay,
        SchemaChange,
        Snapshot,
        Staged,
        State,
        StateChange,
        Stream,
        Unit,
        Upkeep,
        Window,
    )

CORRUPT = "_dativo_corrupt"
"""Name of the extra column in which a reader hands on records that it could not parse.

Type ``struct<record: string, reason: string, line: int64, offset: int64>``; NULL in the rows that are fine. It is
only present in batches that have such a record; every other column is NULL in its row.
"""


@runtime_checkable
class Reader(Protocol):
    """A source."""

    def check(self) -> CheckResult:
        """Try to reach the source with the configured credentials."""
        ...

    def discover(self) -> Sequence[Stream]:
        """List what the source has, with columns where they can be known."""
        ...

    def split(self, stream: Stream, since: Cursor | None) -> Window:
        """Decide what there is to read since the cursor: freeze the bound and cut it into units. Reads no rows."""
        ...

    def read(self, stream: Stream, unit: Unit) -> Iterator[Any]:
        """Yield the record batches of one unit; memory stays bounded, errors are raised."""
        ...

    def position(self, unit: Unit) -> int:
        """Give the bytes of the unit's source that were read so far; 0 when unknown. Called while others read it."""
        ...

    def reached(self, window: Window) -> Cursor | None:
        """Give the cursor that holds once all units of the window, which were just read, are committed.

        It is ``window.after`` where the bound was frozen at plan time; a reader that only learns it while it reads,
        as plugins with a state of their own do, says it here. Units that are read at once may be read by instances that
        know nothing of each other: they must then say the same.
        """
        ...


@runtime_checkable
class Repeatable(Protocol):
    """What a reader has beside `Reader` whose units may be read by several attempts of a run.

    ``repeatable`` True promises two things: a unit of a plan gives the same rows whenever it is read, or an error,
    and `reached` needs nothing that `read` left in the instance. A retry then reads only the units that no earlier
    attempt of the run finished. A reader of one snapshot for each attempt must not promise it.
    """

    repeatable: bool


@runtime_checkable
class Resumable(Protocol):
    """What a reader has beside `Reader` that can stop in the middle of a unit, where a place gives a verb little time.

    `reached` must need nothing that `read` left in the instance: the rest of a unit is read in another one.
    """

    def rest(self, unit: Unit) -> Unit | None:
        """Give the unit that has the rows which the running `read` of ``unit`` has not given yet.

        Asked after a batch of that read; None says that it cannot tell just now. Where there is an answer the read is
        closed, and the answer is read, by another instance, as if it were the end of ``unit``.
        """
        ...


@runtime_checkable
class Writer(Protocol):
    """The half of a target that makes files."""

    def write(self, batches: Iterable[Any], name: str) -> list[DataFile]:
        """Write the batches to files whose names start with ``name``; none of them is visible yet."""
        ...

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove files that will not be committed."""
        ...

    def close(self, *, failed: bool) -> None:
        """Let go of what the writer holds, once nothing more is written; ``failed`` says that nothing is committed."""
        ...


@runtime_checkable
class WriterPlugin(Protocol):
    """A writer of somebody else's, opened in some place.

    With ``commits`` False it lays down Parquet files, which the job's table commits; else it makes its work visible by
    itself when `commit` is called.
    """

    commits: bool

    def check(self) -> CheckResult:
        """Try to reach the target with the configured credentials; leaves nothing behind."""
        ...

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches; nothing is visible yet. May be called by several threads at once.

        ``base`` is the URI of a folder, with a slash at the end, and ``name`` how the files' names start in it: unique
        for each call. A writer that commits by itself may put its files anywhere and name them as it likes.
        """
        ...

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Make the files visible; gives what is worth logging. Only called where ``commits`` is True."""
        ...

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove what `write` left and nobody will commit."""
        ...


@runtime_checkable
class Launcher(Protocol):
    """A place where plugins run. What it hands out behaves the same in every place."""

    def reader(self, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[Reader]:
        """Open a reader with the configuration that `opening.open_reader` describes; closed on any exit."""
        ...

    def writer(self, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[WriterPlugin]:
        """Open a writer with the configuration that `opening.open_writer` describes; closed on any exit."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """What a launcher has beside `Launcher` whose place cannot run every plugin: a runtime may be too old for one."""

    def suits(self, plugin: PluginRef) -> None:
        """Raise what opening the plugin would raise before anybody is asked; nothing is started, sent or written."""
        ...


@runtime_checkable
class Lasting(Protocol):
    """What a launcher has beside `Launcher` that makes something for a plugin once, and finds it from then on."""

    def is_made(self, plugin: PluginRef, config: Mapping[str, Any]) -> bool:
        """Say whether opening a reader finds all of it; nothing is made to tell."""
        ...


@runtime_checkable
class Tidied(Protocol):
    """What a launcher has beside `Launcher` whose place may keep things after a run, or after a host that was killed.

    Such things carry labels that say whose they are; `leftovers` looks for them, and finds none of a host that lives.
    """

    def leftovers(self, older_than: datetime) -> Sequence[Leftover]:
        """Find what nobody uses: of hosts that are gone at once, kept for reuse where it was not used since."""
        ...

    def remove(self, leftover: Leftover) -> None:
        """Remove one; it may be gone already."""
        ...


@runtime_checkable
class Table(Protocol):
    """The half of a target that makes files visible."""

    identifier: str

    def check(self) -> CheckResult:
        """Try to reach the target with the configured credentials; leaves nothing behind."""
        ...

    def location(self) -> str:
        """Give the absolute URI below which the table's files lie, without a slash at the end."""
        ...

    def state(self, key: str) -> State | None:
        """Give what the table remembers of the stream ``key``; None when it never committed."""
        ...

    def states(self) -> Mapping[str, State]:
        """Give all that the table remembers, by key."""
        ...

    def set_state(self, change: StateChange) -> None:
        """Put ``change.after`` in place of ``change.before``, and keep the change in the audit trail, in one step.

        Raises:
            CommitError: ``STATE_MOVED``: what is there is not ``change.before``.
        """
        ...

    def state_changes(self, key: str) -> Sequence[StateChange]:
        """Give the audit trail of a key, the oldest first; at least the last twenty are kept."""
        ...

    def unaccounted(self, key: str) -> int:
        """Count the rows that may be those of ``key`` although the table remembers nothing of it.

        0 when the table is empty or all of its rows came from commits of other keys, as far as it can tell; else the
        rows of the table.
        """
        ...

    def highest(self, column: str) -> Any:
        """Give the highest value of a column as Python has it, None when there is none."""
        ...

    def committed(self, token: str) -> Snapshot | None:
        """Give the snapshot that carries ``token``, if there is one."""
        ...

    def changes(self) -> Sequence[SchemaChange]:
        """Compare the contract with the table as it stands; empty when they agree or there is no table yet."""
        ...

    def writer(self, token: str) -> Writer:
        """Open the writing half for one commit; refuses schema changes that are not allowed."""
        ...

    def prepared(self) -> dict[str, Any]:
        """Give what `commit` must know of the table as the writer saw it; goes into ``Staged.table``."""
        ...

    def commit(self, staged: Staged) -> Snapshot:
        """Make the files, the cursor and the token visible in one atomic step, exactly once."""
        ...

    def publish(self, staged: Staged, snapshot: Snapshot) -> Snapshot:
        """Make an audited commit visible, with its cursor and token, in one atomic step, exactly once.

        ``snapshot.branch`` is where `commit` put it. A table that moved meanwhile gets the commit anew.
        """
        ...

    def columns(self) -> Sequence[Column]:
        """Give the columns of the table as it stands; empty when there is no table."""
        ...

    def preview(self, limit: int) -> Any:
        """Give the first rows of the table as an Arrow table."""
        ...

    def scan(self) -> Iterator[Any]:
        """Yield all rows of the table as it stands, as record batches."""
        ...

    def orphans(self, older_than: datetime) -> Sequence[DataFile]:
        """Find files of ours that no commit names and that were written before ``older_than``."""
        ...

    def remove(self, files: Sequence[DataFile]) -> None:
        """Delete files that `orphans` found."""
        ...


@runtime_checkable
class Audited(Protocol):
    """What a table has beside `Table` whose `commit` can wait for an audit."""

    def reject(self, snapshot: Snapshot, reason: str) -> None:
        """Leave the reason with a commit that is not published."""
        ...


@runtime_checkable
class Maintained(Protocol):
    """What a table has beside `Table` whose files must be looked after; safe beside runs."""

    def compact(self, *, dry_run: bool = False) -> Upkeep:
        """Put many small files into few large ones; no row changes."""
        ...

    def expire(self, older_than: datetime, *, keep: int, dry_run: bool = False) -> Upkeep:
        """Forget old states of the table, but for the last ``keep``."""
        ...

    def drop_branches(self, older_than: datetime, *, dry_run: bool = False) -> Upkeep:
        """Drop audited commits that nobody published."""
        ...


@runtime_checkable
class Quarantine(Table, Protocol):
    """The dataset of the rows that a table's streams rejected, which a replay takes rows out of."""

    def kept(self, key: str) -> Sequence[Any]:
        """Give the segments with rows of the stream ``key``; each has a ``path``, and says how many ``rows`` it has."""
        ...

    def rows(self, segments: Sequence[Any]) -> Iterator[Any]:
        """Yield the rows of segments as record batches."""
        ...

    def note(self, replay: Replay) -> str:
        """Write down what a replay does, before it does it; gives the path."""
        ...

    def forget(self, path: str) -> None:
        """Remove what `note` wrote of a replay that did not land."""
        ...

    def finish(self, token: str, path: str) -> bool:
        """Put the rows that stay in the place of all that a replay looked at, in one step; False when it is done."""
        ...


@runtime_checkable
class SecretManager(Protocol):
    """Where secrets come from."""

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name."""
        ...
