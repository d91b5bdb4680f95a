"""Standard input and output as a connection: for a host that shares no socket with its worker.

What a plugin prints must not get between the frames, so it goes where errors go, and its own input is empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from typing import Any

_PIPE_BYTES = 1024 * 1024  # as much as the system allows by itself: fewer changes between the two sides


class Stdio:
    """The two pipes, with as much of a stream socket as a `Channel` asks for."""

    def __init__(self) -> None:
        self.reading, self.writing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        with contextlib.suppress(OSError):  # no pipe, or no larger one
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def sendmsg(self, parts: Iterable[Any]) -> int:
        """Send some of the bytes; gives how many."""
        return os.writev(self.writing, list(parts))

    def recv_into(self, view: memoryview) -> int:
        """Wait for bytes; gives how many came, 0 at the end."""
        return os.readv(self.reading, [view])

    def setsockopt(self, *_: int) -> None:
        """A pipe has no such options."""

    def settimeout(self, _: float | None) -> None:
        """A worker waits for its host as long as there is one."""

    def shutdown(self, _: int) -> None:
        """Only a host hangs up."""

    def close(self) -> None:
        """Close both."""
        os.close(self.reading)
        os.close(self.writing)
