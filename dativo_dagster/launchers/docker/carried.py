"""A writer in a container that does not commit: what it lays down is carried to the target by the host.

So neither the bucket nor its credentials are known in the container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from dativo_dagster.launchers.docker.room import OUT, Room
from dativo_dagster.storage import open_storage
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import DataFile
from dativo_ingest.worker.client import Session, understood
from dativo_ingest.worker.remote import RemoteWriter, Workers


class CarriedWriter(RemoteWriter):
    """Hands out the files of the plugin as if it had written them to the target.

    Args:
        workers: See `RemoteWriter`.
        room: Where the plugin lays its files down.
        connection: How the host reaches the target: the ``connection`` of the job.
    """

    def __init__(self, workers: Workers, room: Room, connection: Mapping[str, Any]) -> None:
        super().__init__(workers, commits=False)
        self.room, self.connection = room, connection

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches, and carry the files to ``base``; when that fails none is left."""
        doing = self._doing("write", name)
        carried: list[DataFile] = []
        with self.workers.lend(doing) as session:
            try:
                said = session.write(doing, batches, base=f"file://{OUT}/", name=name)
                with understood():
                    files = [DataFile.from_json(file) for file in said]
                for file in files:
                    carried.append(self._carried(session, file, base, name))  # noqa: PERF401 - see below
            except BaseException:
                self.abort(carried)
                raise
        return carried

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove what `write` carried."""
        for file in files:
            open_storage(file.path, self.connection).delete(file.path)

    def _carried(self, session: Session, file: DataFile, base: str, name: str) -> DataFile:
        inside = PurePosixPath(file.path.removeprefix("file://"))
        if not inside.is_relative_to(OUT) or ".." in inside.parts:
            raise self._wrong(file, f"is not below {OUT}, where it was to be written")
        if not inside.name.startswith(name):  # else it could replace what the table has there
            raise self._wrong(file, f"is not called {name} ..., as it was to be")
        target = f"{base.rstrip('/')}/{inside.relative_to(OUT)}"
        try:
            with open_storage(target, self.connection).open_write(target) as out:
                self.room.bring(session, file, out)
        except ValueError as error:
            raise self._wrong(file, str(error)) from error
        return replace(file, path=target)

    def _wrong(self, file: DataFile, what: str) -> PluginError:
        return PluginError(f"plugin {self.room.plugin}: {file.path} {what}", "PLUGIN_BAD_FILE", {"file": file.path})
