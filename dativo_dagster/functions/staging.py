"""The host's side of the staging folders: for one invocation, or a claim; gone after it, and found if its host died."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.owner import host_label, is_gone
from dativo_dagster.storage import Storage
from dativo_dagster.telemetry import event
from dativo_ingest.exceptions import ConfigurationError, DativoError, PluginError
from dativo_ingest.model import Leftover
from dativo_ingest.worker.texts import parse_object

if TYPE_CHECKING:
    from dativo_dagster.storage import FileInfo

KIND = "staged"
OWNER = "owner.json"
LARGEST_BYTES = 512 * 1024 * 1024
"""Of an object that this host reads at once. A piece is as large as `piece_bytes` and one batch."""
CLAIM_HOLDS = timedelta(days=1)
"""Of a host that nobody here can look at. Our own buckets forget what is older."""
_CLAIMED = "function"
_LOG = logging.getLogger(__name__)
_MOST_OWNER_BYTES = 64 * 1024
_OURS = re.compile("[0-9a-f]{32}")
"""Names of folders that `Staging.folder` makes. What else lies beside them is somebody's, and no leftover."""


@dataclass(frozen=True, kw_only=True)
class Staging:
    """Where rows wait between a function and its host.

    Attributes:
        url: ``s3://bucket/folder``, ``gs://bucket/folder``, or ``file:///folder`` that the function sees, too.
        connection: How the host reaches it: as the `connection` of a job.
        options: How the function does: as `dativo_ingest.functions.store` describes it.
    """

    url: str
    connection: Mapping[str, Any] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def folder(self, owner: Mapping[str, str]) -> Folder:
        """Make a folder for one invocation; ``owner`` says whose it is: tenant, job, stream."""
        made = Folder(Storage.open(self.url, self.connection), f"{self.url.rstrip('/')}/{uuid.uuid4().hex}/")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        made.put(OWNER, json.dumps({**owner, "host": host_label(), "at": now}).encode())
        return made

    @contextmanager
    def claim(self, owner: Mapping[str, str], function: str) -> Iterator[None]:
        """Say for a block that a function is in use, to whoever would remove it: no cloud tells."""
        folder = self.folder({**owner, _CLAIMED: function})
        try:
            yield
        finally:
            try:
                folder.remove()
            except DativoError as error:
                folder.tell_it_stays(error)

    def claims(self) -> Iterator[tuple[str, str]]:
        """Give function and tenant of each claim that holds: of a host here that lives, of another one for a day."""
        store, now = Storage.open(self.url, self.connection), datetime.now(timezone.utc)
        for url, files in self._folders(store):
            said = _owner(store, url)
            if _CLAIMED in said and _leftover(url, files, said, now) is None:
                yield str(said[_CLAIMED]), str(said.get("tenant", ""))

    def leftovers(self, older_than: datetime) -> Sequence[Leftover]:
        """Find folders that nobody uses: of hosts of this machine that are gone, and others that are old."""
        store = Storage.open(self.url, self.connection)
        found = (_leftover(url, files, _owner(store, url), older_than) for url, files in self._folders(store))
        return [leftover for leftover in found if leftover is not None]

    def remove(self, leftover: Leftover) -> None:
        """Remove one that `leftovers` found."""
        Folder(Storage.open(self.url, self.connection), leftover.name).remove()

    def _folders(self, store: Storage) -> list[tuple[str, list[FileInfo]]]:
        folders: dict[str, list[FileInfo]] = {}
        root = f"{self.url.rstrip('/')}/"
        for file in store.list(root):
            name, slash, _ = file.path.removeprefix(root).partition("/")
            if slash and _OURS.fullmatch(name):
                folders.setdefault(f"{root}{name}/", []).append(file)
        return sorted(folders.items())


class Folder:
    """A folder of its own for one invocation, or for a claim."""

    def __init__(self, store: Storage, url: str) -> None:
        self.store, self.url = store, url

    def put(self, name: str, data: bytes) -> None:
        """Write an object."""
        self.store.write(self.url + name, data)

    def get(self, name: str, most: int = LARGEST_BYTES) -> bytes | None:
        """Read an object at once; None when there is none.

        Raises:
            PluginError: ``PLUGIN_BAD_RESULT``, it is larger than ``most`` bytes.
        """
        found = self.store.find(self.url + name)
        if found is not None and found.size > most:
            message = f"{self.url}{name}: a function put {found.size:,} bytes there, and {most:,} are taken at most"
            raise PluginError(message, "PLUGIN_BAD_RESULT")
        return None if found is None else self.store.read_range(self.url + name, 0, found.size)

    def has(self, name: str) -> bool:
        """Say whether there is such an object."""
        return self.store.find(self.url + name) is not None

    def delete(self, name: str) -> None:
        """Delete an object."""
        self.store.delete(self.url + name)

    def remove(self) -> None:
        """Delete all of it; what says whose it is goes last."""
        for path in sorted(self._paths(), key=lambda path: path.endswith(f"/{OWNER}")):
            self.store.delete(path)

    def tell_it_stays(self, error: DativoError) -> None:
        """Log that it could not be removed; `Staging.leftovers` finds it later."""
        told = f"{self.url} could not be removed, and `dativo places gc` finds it later: {error}"
        event(_LOG, "staging_not_removed", told, level=logging.WARNING, folder=self.url)

    def _paths(self) -> Iterator[str]:
        return (file.path for file in self.store.list(self.url))


def _leftover(url: str, files: Sequence[FileInfo], said: Mapping[str, Any], older_than: datetime) -> Leftover | None:
    last = max(file.modified for file in files)
    gone = is_gone(str(said.get("host", "")))
    if _CLAIMED in said:
        older_than = min(older_than, datetime.now(timezone.utc) - CLAIM_HOLDS)
    if gone is False or (gone is None and last >= older_than):
        return None
    return Leftover(
        kind=KIND,
        name=url,
        since=last.isoformat(timespec="seconds"),
        owner=f"{said.get('tenant', '')}/{said.get('job', '')}".strip("/"),
        why="its host is gone" if gone else "it is old, and its host is of another machine",
        bytes=sum(file.size for file in files),
    )


def _owner(store: Storage, url: str) -> Mapping[str, Any]:
    """Read whose a folder is; nobody's where it is going at this moment, or has more there than a host says."""
    try:
        stored = Folder(store, url).get(OWNER, _MOST_OWNER_BYTES)
    except PluginError:
        return {}
    except ConfigurationError as error:
        if error.error_code != "FILE_NOT_FOUND":
            raise
        return {}
    return {} if stored is None else parse_object(stored)  # the function may write there, too
