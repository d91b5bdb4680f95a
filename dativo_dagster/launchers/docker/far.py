"""A room for an engine that sees no folder of this machine: all travels over what containers read and print.

The plugin's files are built into an image, named by their content, so that they are as unchangeable as elsewhere. What
a writer lays down lies in memory, bounded by the kernel, until the worker has sent it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.engine import is_elsewhere
from dativo_dagster.launchers.docker.image import with_files
from dativo_dagster.launchers.docker.line import AttachedLine
from dativo_dagster.launchers.docker.room import OUT, TMPFS, Room, asked_for, command
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.loader.packing import own_files
from dativo_ingest.worker.client import Doing

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.line import Line
    from dativo_dagster.storage import WriteStream
    from dativo_ingest.model import DataFile
    from dativo_ingest.worker.client import Session


class FarRoom(Room):
    """Rows travel through the engine, some hundred megabytes a second."""

    @contextmanager
    def furnished(self) -> Iterator[FarRoom]:
        """Build the image with the plugin's files; it is kept for the next time."""
        self._must_need_nothing_of_this_machine()
        self.image = with_files(self.client, self.image, own_files(self.plugin))
        yield self

    def line(self) -> Line:
        """Speak over the container's input and output."""
        return AttachedLine()

    def create(self, line: Line) -> Any:
        """Make a container; it is not started."""
        with asked_for(self):
            said = self.settings(self.lent())
            if self.carries:
                said["tmpfs"][OUT] = TMPFS.format(self.config.output_disk_mb)
            return self.client.containers.create(self.image, **said, **command(line))

    def bring(self, session: Session, file: DataFile, out: WriteStream) -> None:
        """Have the worker send a file, and take no byte more than there should be."""
        left = file.bytes
        doing = Doing(verb="carry", stream=session.doing.stream, unit=session.doing.unit)
        for frame in session.read(doing, path=file.path.removeprefix("file://")):
            left -= len(frame.payload)
            if left < 0:
                break
            out.write(frame.payload)
        if left:
            raise ValueError(f"is no file of {file.bytes:,} bytes")

    def _must_need_nothing_of_this_machine(self) -> None:
        wanted = max((mount.path for mount in self.lent()), default="")
        if wanted and is_elsewhere(self.client):
            message = f"plugin {self.plugin}: the Docker engine is on another machine, where {wanted} is not; "
            message += "leave out `mounts`, give a writer that commits by itself a bucket, or run the job there"
            raise ConfigurationError(message, "DOCKER_REMOTE", {"path": wanted})
