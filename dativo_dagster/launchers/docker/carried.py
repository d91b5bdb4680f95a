"""A writer in a container that does not commit: what it lays down is carried to the target by the host.

So neither the bucket nor its credentials are known in the container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.laid import laid
from dativo_dagster.launchers.docker.room import OUT, Room
from dativo_dagster.storage import Storage
from dativo_ingest.exceptions import PluginError
from dativo_ingest.worker.client import RemoteWriter, Workers

if TYPE_CHECKING:
    from dativo_ingest.model import DataFile


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
            for file in written:
                carried.append(self._carried(file, base))  # noqa: PERF401 - what was carried is known when one fails
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
        try:
            with laid(self.room.out, name, file.bytes) as found:
                with Storage.open(target, self.options).open_write(target) as out:
                    found.copy(out, file.bytes)
                found.unlink()
        except ValueError as error:
            raise self._wrong(file, str(error)) from error
        return replace(file, path=target)

    def _wrong(self, file: DataFile, what: str) -> PluginError:
        return PluginError(f"plugin {self.room.plugin}: {file.path} {what}", "PLUGIN_BAD_FILE", {"file": file.path})
