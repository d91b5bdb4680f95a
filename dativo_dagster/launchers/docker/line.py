"""How the frames of one container travel: over a unix socket that it sees, or over its standard input and output."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

WORKER = ("python", "-m", "dativo_ingest.worker")
IO_FOLDER = "/io"
_SOCKET = "worker.sock"
_LOOK_SECONDS = 0.05
_BUFFER_BYTES = 1024 * 1024
_HEAD = struct.Struct(">BxxxL")
"""Before each piece of what a container prints: https://docs.docker.com/engine/api/v1.41/#tag/Container/operation/ContainerAttach"""
_FRAMES, _PRINTED = 1, 2


class Line(ABC):
    """One line to a container: made before it, joined once it is created, connected once it is started.

    Attributes:
        command: What the container runs.
        settings: What the engine is told of it besides.
        printed: What the container prints, once the line is joined.
    """

    command: Sequence[str]
    settings: Mapping[str, Any]
    printed: IO[bytes]
    _attached: Any
    _connection: Any

    def join(self, container: Any) -> None:
        """Attach to a container that is not started: nobody keeps what it prints, as its log driver is none."""
        self._attached = container.attach_socket(params={"stream": 1, "stdout": 1, "stderr": 1, **self._input()})
        # What can be written to: the SDK gives the reading side of a socket, or what an SSH client has for one.
        self._connection = getattr(self._attached, "_sock", self._attached)
        self._connection.settimeout(None)
        reading, writing = os.pipe()
        self.printed = os.fdopen(reading, "rb", buffering=0)
        threading.Thread(target=self._hear, args=(writing,), name="dativo-attach", daemon=True).start()

    @abstractmethod
    def connected(self, seconds: float, vain: Sequence[threading.Event]) -> socket.socket | None:
        """Wait for the worker; None when it does not come, or one of ``vain`` says that it need not."""

    def hang_up(self) -> None:
        """End it from here: who hears what the container prints hears the end."""
        with contextlib.suppress(OSError, ValueError):  # it is over already
            self._connection.shutdown(socket.SHUT_RDWR)

    @abstractmethod
    def close(self) -> None:
        """Free what nobody needs once the worker is connected, or will never be."""

    def _input(self) -> Mapping[str, int]:
        return {}

    def _hear(self, printed: int) -> None:
        try:
            with (
                os.fdopen(printed, "wb", buffering=0) as pipe,
                contextlib.suppress(OSError, ValueError),
                _readable(self._attached) as arriving,
            ):
                self._sort(arriving, pipe)
        finally:
            self._attached._response.close()  # noqa: SLF001 - the SDK keeps it there and forgets to close it

    def _sort(self, arriving: IO[bytes], pipe: IO[bytes]) -> None:
        while len(head := arriving.read(_HEAD.size)) == _HEAD.size:
            kind, size = _HEAD.unpack(head)
            self._take(kind, arriving.read(size), pipe)

    def _take(self, _kind: int, data: bytes, pipe: IO[bytes]) -> None:
        pipe.write(data)


class SocketLine(Line):
    """A socket in ``folder``; the container's user may connect to it, and nobody else gets into the folder around."""

    command = (*WORKER, "--connect", f"{IO_FOLDER}/{_SOCKET}")
    settings: Mapping[str, Any] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _bind(self._listener, folder)
        (folder / _SOCKET).chmod(0o666)
        folder.chmod(0o755)
        self._listener.listen(1)
        self._listener.settimeout(_LOOK_SECONDS)

    def connected(self, seconds: float, vain: Sequence[threading.Event]) -> socket.socket | None:
        """Wait for the worker to connect."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not any(event.is_set() for event in vain):
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.setblocking(True)  # noqa: FBT003 - positional only
                return connection
        return None

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()


def _bind(listener: socket.socket, folder: Path) -> None:
    """Give a socket its name in a folder: the name may have 107 characters, and the folder may be deep."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{opened}/{_SOCKET}")
    finally:
        os.close(opened)


class AttachedLine(Line):
    """The container's input and output; what it prints comes the way of its errors."""

    command = (*WORKER, "--stdio")
    settings: Mapping[str, Any] = {"stdin_open": True}

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._joined = False

    def connected(self, seconds: float, vain: Sequence[threading.Event]) -> socket.socket | None:  # noqa: ARG002 - the worker need not connect
        """Give our end of what is passed on: frames wait in it until the worker reads them."""
        threading.Thread(target=self._speak, name="dativo-attach-input", daemon=True).start()
        self._joined = True
        return self._ours

    def close(self) -> None:
        """Free both ends where nobody was given one."""
        if not self._joined:
            self._ours.close()
            self._theirs.close()

    def _input(self) -> Mapping[str, int]:
        return {"stdin": 1}

    def _hear(self, printed: int) -> None:
        with self._theirs:
            super()._hear(printed)
            with contextlib.suppress(OSError):
                self._theirs.shutdown(socket.SHUT_RDWR)

    def _take(self, kind: int, data: bytes, pipe: IO[bytes]) -> None:
        if kind == _FRAMES:
            self._theirs.sendall(data)
        else:
            super()._take(kind, data, pipe)

    def _speak(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # either side is gone: the other is told by `_hear`
            while data := self._theirs.recv(_BUFFER_BYTES):
                self._connection.sendall(data)


@contextlib.contextmanager
def _readable(attached: Any) -> Iterator[IO[bytes]]:
    if not isinstance(attached, io.RawIOBase):
        yield attached.makefile("rb")
        return
    reader = io.BufferedReader(attached, _BUFFER_BYTES)
    try:
        yield reader
    finally:
        reader.detach()  # it is the response's to close
