"""A writer in a container that does not commit: what it lays down is carried to the target by the host.

So neither the bucket nor its credentials are known in the container.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.room import OUT, Room
from dativo_dagster.storage import Storage
from dativo_ingest.exceptions import PluginError
from dativo_ingest.worker.client import RemoteWriter, Workers

if TYPE_CHECKING:
    from dativo_ingest.model import DataFile

_PIECE_BYTES = 4 * 1024 * 1024


class CarriedWriter(RemoteWriter):
    """Hands out the files of the plugin as if it had written them to the target."""

    def __init__(self, workers: Workers, *, stream: str, room: Room, options: Mapping[str, Any]) -> None:
        super().__init__(workers, commits=False, stream=stream)
        self.room, self.options = room, options

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches, and carry the files to ``base``; when that fails none is left."""
        written = super().write(batches, OUT, name)
        carried: list[DataFile] = []
        try:
            carried.extend(self._carried(file, base) for file in written)  # what was carried is known when one fails
        except BaseException:
            self.abort(carried)
            raise
        return carried

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove what `write` carried."""
        for file in files:
            Storage.open(file.path, self.options).delete(file.path)

    def _carried(self, file: DataFile, base: str) -> DataFile:
        inside = PurePosixPath(file.path.removeprefix("file://"))
        if not inside.is_relative_to(OUT) or ".." in inside.parts:
            raise self._wrong(file, f"is not below {OUT}, where it was to be written")
        name = inside.relative_to(OUT)
        target = f"{base.rstrip('/')}/{name}"
        store = Storage.open(target, self.options)
        with self._open(file, self.room.out / name) as source, store.open_write(target) as out:
            shutil.copyfileobj(source, out, _PIECE_BYTES)
        (self.room.out / name).unlink()
        return replace(file, path=target)

    def _open(self, file: DataFile, path: Path) -> IO[bytes]:
        """Open a file that a stranger laid down: a link in its path could lead to any file of this machine."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise self._wrong(file, f"cannot be read: {error.strerror}") from error
        source = os.fdopen(handle, "rb")
        facts, true = os.fstat(handle), Path(f"/proc/self/fd/{handle}").readlink()
        ours = true.is_relative_to(self.room.out.resolve())
        if not ours or not stat.S_ISREG(facts.st_mode) or facts.st_size != file.bytes:
            source.close()
            raise self._wrong(file, f"is no file of {file.bytes:,} bytes")
        return source

    def _wrong(self, file: DataFile, what: str) -> PluginError:
        return PluginError(f"plugin {self.room.plugin}: {file.path} {what}", "PLUGIN_BAD_FILE", {"file": file.path})
