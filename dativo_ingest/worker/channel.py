"""A channel: frames over a stream, in both directions. It may be a pair's end, a path's socket, or two pipes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from dativo_ingest.worker.wire import MAX_PAYLOAD_BYTES, Frame, decode, encode

_BUFFER_BYTES = 4 * 1024 * 1024  # as much of it as the system allows: fewer changes between the two processes
AT_ONCE = 128 * 1024 * 1024
"""Bytes that are allocated because the other side says that they come: a batch of ours is half of it. For more there is
room once that much has come."""
_MOST_PARTS = 256  # what one sendmsg takes is bounded (IOV_MAX, 1024 on Linux)


class Connection(Protocol):
    """What a channel asks of a stream; a `socket.socket` has it."""

    def sendmsg(self, parts: Iterable[Any], /) -> int:
        """Send some of the bytes; gives how many."""
        ...

    def recv_into(self, view: memoryview, /) -> int:
        """Wait for bytes; gives how many came, 0 at the end."""
        ...

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set the size of a buffer."""
        ...

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound how long the other side is waited for."""
        ...

    def shutdown(self, how: int, /) -> None:
        """End it for both sides."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class Channel:
    """One end of a connection. Any thread may send; only one at a time receives.

    Args:
        connection: A connected stream; the channel closes it.
        allocate: Makes the buffer for the ``n`` bytes that arrive next.
        most: Bytes that the payload of a frame from the other side may have.

    Attributes:
        broken: Whether a frame was begun and not ended.
        ended: Whether the other side closed, or is gone.
    """

    def __init__(
        self,
        connection: Connection,
        allocate: Callable[[int], Any] = bytearray,
        most: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        self.connection = connection
        self.allocate, self.most = allocate, most
        self.broken = self.ended = False
        self._sending = threading.Lock()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)

    def send(self, header: Mapping[str, Any], parts: Sequence[Any] = ()) -> None:
        """Send one frame; waits while the other side does not receive.

        Raises:
            OSError: The other side is gone.
        """
        buffers = [memoryview(part).cast("B") for part in encode(header, parts) if len(part)]
        with self._sending:
            self.broken, before = True, self.broken
            try:
                while buffers:
                    buffers = _rest(buffers, self.connection.sendmsg(buffers[:_MOST_PARTS]))
            except (BrokenPipeError, ConnectionResetError):
                self.ended = True
                raise
            self.broken = before

    def receive(self) -> Frame | None:
        """Wait for the next frame; None when the other side closed.

        Raises:
            SandboxError: What arrives is no frame, or only a part of one.
        """
        self.broken, before = True, self.broken
        frame = decode(self._read, self.most)
        self.broken = before
        return frame

    def hang_up(self) -> None:
        """Let whoever waits here see the end at once, even if somebody still holds the other side; any thread may."""
        with contextlib.suppress(OSError):  # the other side, or all of it, is gone already
            self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        self.connection.close()

    def _read(self, size: int) -> Any:
        buffer, got = self.allocate(min(size, AT_ONCE)), 0
        view = memoryview(buffer).cast("B")
        while got < size:
            if got == len(view):
                buffer, full = self.allocate(min(size, 2 * got)), view
                view = memoryview(buffer).cast("B")
                view[:got] = full
            received = self._receive_into(view[got:])
            if not received:
                self.ended = True
                return view[:got]
            got += received
        return buffer

    def _receive_into(self, view: memoryview) -> int:
        try:
            return self.connection.recv_into(view)
        except ConnectionResetError:  # it died with something unread: the end all the same
            return 0


def _rest(buffers: list[memoryview], sent: int) -> list[memoryview]:
    """Give what is left after ``sent`` bytes."""
    for done, buffer in enumerate(buffers):
        if sent < len(buffer):
            return [buffer[sent:], *buffers[done + 1 :]]
        sent -= len(buffer)
    return []
