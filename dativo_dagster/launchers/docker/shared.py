"""A room on this machine: the engine sees a private folder of ours, with the plugin's files and the sockets in it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.held import held
from dativo_dagster.launchers.docker.laid import clear, laid, measure
from dativo_dagster.launchers.docker.line import IO_FOLDER, SocketLine
from dativo_dagster.launchers.docker.room import OUT, PLUGIN, Mounted, Room, asked_for, command
from dativo_dagster.workers.fate import Fate
from dativo_dagster.workers.worker import MIB
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.loader.packing import own_files

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.line import Line
    from dativo_dagster.storage import WriteStream
    from dativo_ingest.model import DataFile
    from dativo_ingest.worker.client import Session

PREFIX = "dativo-place-"
"""How the private folder of a place is called, below the system's folder for what is temporary."""
OWNER = "owner.json"
"""The labels of its containers, in the folder: they say whose it is."""


class SharedRoom(Room):
    """Rows travel over unix sockets, as fast as between two processes.

    Attributes:
        folder: Nobody but this user gets into it; ``plugin`` and ``out`` in it are what containers see.
    """

    folder = Path()

    @contextmanager
    def furnished(self) -> Iterator[SharedRoom]:
        """Copy the plugin's files into the folder; all of it is removed at the end."""
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            (self.folder / OWNER).write_text(json.dumps(self.labels()))
            for name, content in own_files(self.plugin).items():
                copy = self.folder / "plugin" / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
            self.out.mkdir()
            _readable(self.folder / "plugin")
            self.out.chmod(0o777)
            yield self
        finally:
            clear(self.folder)

    @property
    def out(self) -> Path:
        """Give the folder that containers see as `OUT`."""
        return self.folder / "out"

    def line(self) -> Line:
        """Listen on a socket in a folder of its own."""
        return SocketLine(Path(tempfile.mkdtemp(dir=self.folder, prefix="io-")))

    def create(self, line: Line) -> Any:
        """Make a container that sees the line's folder; it is not started."""
        assert isinstance(line, SocketLine)  # noqa: S101 - it is ours
        mounts = self._mounts(line.folder)
        with asked_for(self):
            said = self.settings(mounts)
            return self.client.containers.create(self.image, **said, **command(line))

    def bring(self, session: Session, file: DataFile, out: WriteStream) -> None:  # noqa: ARG002 - it lies here
        """Copy a file from the folder, without following a link."""
        name = PurePosixPath(file.path.removeprefix("file://")).relative_to(OUT)
        with laid(self.out, name, file.bytes) as found:
            found.copy(out, file.bytes)
            found.unlink()

    def overstepped(self, first: int) -> Fate | None:
        """Measure what lies in the folder, what a container removed and still holds, and what the disk has left."""
        if not self.carries:
            return None
        limit, least = self.config.output_disk_mb, self.config.free_disk_mb
        # What is removed between the two looks is counted by none, and by the next; the other way round by both.
        if not measure(self.out, limit * MIB - held(first, self.out.stat())):
            return _too_much(limit)
        return None if has_left(self.out, least * MIB) else _disk_full(least)

    def _mounts(self, io: Path) -> list[Mounted]:
        lent = self.lent()
        for path, *_ in lent:
            if not Path(path).exists():
                raise ConfigurationError(f"mounts: there is no {path} on this machine", "MOUNT_MISSING", {"path": path})
        ours = [Mounted(str(self.folder / "plugin"), PLUGIN), Mounted(str(io), IO_FOLDER)]
        if self.carries:
            (io / "out").mkdir(exist_ok=True)
            ours.append(Mounted(str(self.out), OUT, writable=True))
        return [*lent, *ours]


def has_left(folder: Path, least: int) -> bool:
    """Tell whether the disk of a folder has so many bytes free; one in memory without a limit tells of no size."""
    disk = os.statvfs(folder)
    return not disk.f_blocks or disk.f_bavail * disk.f_frsize >= least


def _too_much(limit: int) -> Fate:
    what = f"laid down more than output_disk_mb = {limit}, or more files or deeper folders than a writer needs; "
    return Fate(code="PLUGIN_OUT_OF_DISK", what=what + "what it removed and still has open counts")


def _disk_full(least: int) -> Fate:
    """Tell that it may be the doing of others, and over when it is tried again."""
    what = f"was ended because the disk of {tempfile.gettempdir()} has less than free_disk_mb = {least} left"
    return Fate(code="HOST_OUT_OF_DISK", what=what, retryable=True)


def _readable(folder: Path) -> None:
    """Let the container's user read what perhaps only this one may."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
