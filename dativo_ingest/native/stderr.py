"""What a library prints on stderr while it is called: all that the older JSON ABI says of an error.

Stderr belongs to the whole process, so this only listens in a process that runs one plugin and nothing else; the
worker says that it is one by `own`. What is printed during a call passes through a file, where the host finds it by
`left_by` when the library ended the process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

MAX_CHARACTERS = 2_000
_PIECE_BYTES = 64 * 1024
_SECONDS = 0.2

_lock = threading.Lock()
_mine = threading.Event()


def own() -> None:
    """Say that stderr of this process is the plugin's alone."""
    _mine.set()


class Heard:
    """What was printed; None while nobody listens."""

    text: str | None = None

    @property
    def why(self) -> str:
        """Give it as the end of a message."""
        if self.text is None:
            return "such a library prints the reason on stderr"
        return f"it printed: {self.text}" if self.text else "it printed nothing"


@contextlib.contextmanager
def heard() -> Iterator[Heard]:
    """Listen to stderr for the length of a call; what is printed goes on to where it was going."""
    found = Heard()
    if not _mine.is_set():
        yield found
        return
    ear = _ear()
    with _lock:
        ear.begin()
        try:
            yield found
        finally:
            found.text = ear.end()


def left_by(process: int) -> bytes:
    """Give what a process that is no more had printed in its last call, and forget it."""
    path = _path(process)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            said = file.read(_PIECE_BYTES) if os.fstat(file.fileno()).st_uid == os.getuid() else b""
        path.unlink()
    except OSError:
        return b""  # it had none, or ended as it should
    return said


class _Ear(threading.Thread):
    """A file in place of stderr while a call lasts, and a thread that passes on what is in it: a call may be long."""

    def __init__(self) -> None:
        super().__init__(name="dativo-stderr", daemon=True)
        path = _path(os.getpid())
        path.unlink(missing_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        atexit.register(path.unlink, missing_ok=True)
        self.calling = threading.Event()
        self.turn = threading.Lock()
        self.stderr, self.place, self.began = 2, 0, b""

    def begin(self) -> None:
        self.stderr, self.place, self.began = os.dup(2), 0, b""
        os.dup2(self.file, 2)
        self.calling.set()

    def end(self) -> str:
        self.calling.clear()
        os.dup2(self.stderr, 2)
        with self.turn:
            self._forward()
            os.close(self.stderr)
        if self.place:
            os.ftruncate(self.file, 0)
        return self.began.decode("utf-8", "replace").strip()[:MAX_CHARACTERS]

    def run(self) -> None:
        while self.calling.wait():
            time.sleep(_SECONDS)
            with self.turn:
                if self.calling.is_set():
                    self._forward()

    def _forward(self) -> None:
        while piece := os.pread(self.file, _PIECE_BYTES, self.place):
            self.began = self.began or piece
            self.place += len(piece)
            os.write(self.stderr, piece)


@cache
def _ear() -> _Ear:
    ear = _Ear()
    ear.start()
    return ear


def _path(process: int) -> Path:
    return Path(tempfile.gettempdir()) / f"dativo-stderr-{process}"
