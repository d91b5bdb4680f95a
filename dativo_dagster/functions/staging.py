"""The host's side of the staging folders: each is made for one invocation, or one claim, and gone after it."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dativo_dagster.owner import host_label
from dativo_dagster.storage import Storage, open_storage
from dativo_dagster.storage.base import LargerError
from dativo_dagster.telemetry import event
from dativo_ingest.exceptions import ConfigurationError, PluginError
from dativo_ingest.worker.texts import parse_object

if TYPE_CHECKING:
    from dativo_dagster.storage import FileInfo
    from dativo_ingest.exceptions import DativoError
    from dativo_ingest.model import Leftover

LARGEST_BYTES = 512 * 1024 * 1024
"""Of an object that this host reads at once. A piece is as large as `piece_bytes` and one batch."""
_OWNER = "owner.json"
_MOST_OWNER_BYTES = 64 * 1024
_LOG = logging.getLogger(__name__)
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
        made = Folder(open_storage(self.url, self.connection), f"{self.url.rstrip('/')}/{uuid.uuid4().hex}/")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        made.put(_OWNER, json.dumps({**owner, "host": host_label(), "at": now}).encode())
        return made

    def folders(self) -> list[tuple[Folder, list[FileInfo]]]:
        """List the folders that are there, with the objects of each."""
        store, root = open_storage(self.url, self.connection), f"{self.url.rstrip('/')}/"
        found: dict[str, list[FileInfo]] = {}
        for file in store.list(root):
            name, slash, _ = file.path.removeprefix(root).partition("/")
            if slash and _OURS.fullmatch(name):
                found.setdefault(f"{root}{name}/", []).append(file)
        return [(Folder(store, url), files) for url, files in sorted(found.items())]

    def remove(self, leftover: Leftover) -> None:
        """Remove one that `claims.leftovers` found."""
        Folder(open_storage(self.url, self.connection), leftover.name).remove()


class Folder:
    """A folder of its own for one invocation, or for a claim."""

    def __init__(self, store: Storage, url: str) -> None:
        self.store, self.url = store, url
        self._ours: list[str] = []

    def put(self, name: str, data: bytes) -> None:
        """Write an object."""
        self._ours.append(self.url + name)
        self.store.write(self.url + name, data)

    def get(self, name: str, most: int = LARGEST_BYTES) -> bytes | None:
        """Read an object at once; None when there is none.

        Raises:
            PluginError: ``PLUGIN_BAD_RESULT``, it is larger than ``most`` bytes.
        """
        try:
            return self.store.read_if_there(self.url + name, most)
        except LargerError as larger:
            message = f"{self.url}{name}: a function put {larger.size:,} bytes there, and {most:,} are taken at most"
            raise PluginError(message, "PLUGIN_BAD_RESULT") from larger

    def has(self, name: str) -> bool:
        """Say whether there is such an object."""
        return self.store.find(self.url + name) is not None

    def delete(self, name: str) -> None:
        """Delete an object."""
        self.store.delete(self.url + name)

    def owner(self) -> Mapping[str, Any]:
        """Read whose it is; nobody's where it is going at this moment, or has more there than a host says."""
        try:
            stored = self.get(_OWNER, _MOST_OWNER_BYTES)
        except PluginError:
            return {}
        except ConfigurationError as error:
            if error.error_code != "FILE_NOT_FOUND":
                raise
            return {}
        return {} if stored is None else parse_object(stored)  # the function may write there, too

    def remove(self, *, bare: bool = False) -> None:
        """Delete all of it; what says whose it is goes last.

        Args:
            bare: Nothing is there but what was put by this object; it is not looked for then, which takes a request.
        """
        paths = self._ours if bare else self._paths()
        for path in sorted(paths, key=lambda path: path.endswith(f"/{_OWNER}")):
            self.store.delete(path)

    def tell_it_stays(self, error: DativoError) -> None:
        """Log that it could not be removed; `claims.leftovers` finds it later."""
        told = f"{self.url} could not be removed, and `dativo places gc` finds it later: {error}"
        event(_LOG, "staging_not_removed", told, level=logging.WARNING, folder=self.url)

    def _paths(self) -> Iterator[str]:
        return (file.path for file in self.store.list(self.url))
