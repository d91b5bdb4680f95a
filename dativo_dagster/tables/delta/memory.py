"""What a Delta table remembers: tokens and how far each stream is in the log itself, cursors in files beside it.

A commit of ours carries two application transactions (section "Transaction Identifiers" of Delta's protocol), both with
the number of the version that the commit makes: one named after the token, one after the stream's key. The cursor lies
in ``_dativo/state/{key's digest}/{version}-{token}.json``, written before the commit. The one that counts is the one of
the stream's version whose token has the same version; so it becomes valid in the same step as the files, and a file of
a commit that failed never does. Neither checkpoints, nor vacuum, nor cleaning of the log take any of it away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dativo_dagster.state import trail
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import State, StateChange, Value

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from dativo_dagster.storage import Storage

FOLDER = "_dativo/state"
_TOKEN, _KEY = "dativo.token/", "dativo.key/"


@dataclass(frozen=True, kw_only=True)
class Memory(Value):
    """One file: a stream's state with its audit trail, as of one commit."""

    key: str
    state: Mapping[str, Any] | None = None
    changes: Sequence[Any] = field(default_factory=tuple)


def transactions(token: str, key: str) -> tuple[str, str]:
    """Name the two application transactions of a commit."""
    return _TOKEN + token, _KEY + key


def version_of(table: DeltaTable, token: str) -> int | None:
    """Give the version that the commit of ``token`` made, None when there is none."""
    found: int | None = table.transaction_version(_TOKEN + token)
    return found


@dataclass(frozen=True)
class Folder:
    """The files beside the log."""

    storage: Storage
    location: str

    def write(self, memory: Memory, version: int, token: str) -> str:
        """Write what holds once ``version`` is committed; gives the file's path."""
        path = f"{self._of(memory.key)}/{version}-{token}.json"
        self.storage.write(path, memory.dumps().encode())
        return path

    def read(self, table: DeltaTable, key: str) -> Memory | None:
        """Give what holds for a stream now.

        Raises:
            ConfigurationError: ``STATE_CORRUPT``: the log names a commit whose file is gone or broken.
        """
        version = table.transaction_version(_KEY + key)
        if version is None:
            return None
        for file in self.storage.list(f"{self._of(key)}/"):
            number, _, token = file.path.rpartition("/")[2].removesuffix(".json").partition("-")
            if number == str(version) and version_of(table, token) == version:
                return self._loaded(file.path)
        raise ConfigurationError(
            f"table {self.location}: the log says that {key} was committed in version {version}, and its file below "
            f"{FOLDER} is gone; put a state there with `dativo state set` or `dativo state reset`",
            "STATE_CORRUPT",
            {"key": key, "version": version},
        )

    def mendable(self, table: DeltaTable, key: str) -> Memory | None:
        """Give what holds for a stream now, None where it is lost: for a person who puts something in its place."""
        try:
            return self.read(table, key)
        except ConfigurationError as error:
            if error.error_code != "STATE_CORRUPT":
                raise
            return None

    def keys(self) -> list[str]:
        """Give the keys of all streams that ever wrote here."""
        found = {f.path.rpartition("/")[0]: f.path for f in self.storage.list(f"{self.location}/{FOLDER}/")}
        return sorted(self._loaded(path).key for path in found.values())

    def forget(self, key: str, before: int) -> None:
        """Delete the files of a stream that earlier versions left."""
        for file in self.storage.list(f"{self._of(key)}/"):
            number = file.path.rpartition("/")[2].partition("-")[0]
            if number.isdigit() and int(number) < before:
                self.storage.delete(file.path)

    def _loaded(self, path: str) -> Memory:
        try:
            return Memory.loads(self.storage.read(path).decode())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} holds no state of a stream; delete it, then put a state in its place with `dativo state set` "
                "or `dativo state reset`",
                "STATE_CORRUPT",
                {"path": path},
            ) from error

    def _of(self, key: str) -> str:
        return f"{self.location}/{FOLDER}/{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def changed(memory: Memory | None, change: StateChange) -> Memory:
    """Give what holds after a change by hand."""
    before = list(memory.changes) if memory else []
    after = change.after.to_json() if change.after else None
    return Memory(key=change.key, state=after, changes=tuple(trail.kept([*before, change.to_json()])))


def state_of(memory: Memory | None, where: str) -> State | None:
    """Give the state in a memory; raises ``STATE_CORRUPT`` where it is none."""
    return trail.of_json(memory.state, where) if memory and memory.state is not None else None
