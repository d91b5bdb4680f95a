"""Processes for plugins, each forked from one that has imported what they need (`functions.forking`)."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dativo_ingest.exceptions import SandboxError

# Isolated (-I): nothing of the working directory or of PYTHON* decides what is imported.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from dativo_ingest.functions.forking import main; main()"
)
_ROOT = str(Path(__file__).parents[2])
_ANSWER_BYTES = 4096
_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.001, 0.016


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status, negative for a signal, and the most memory that it had, 0 if nobody knows."""

    status: int
    peak_mb: int = 0


class Forked:
    """A process that was forked, with a group of its own.

    Attributes:
        killed: Whether it was ended before it ended by itself.
    """

    def __init__(self, pid: int, forker: _Forker) -> None:
        self.pid, self.killed, self._forker = pid, False, forker
        self._ended: Ended | None = None

    def wait(self, patience: float = math.inf) -> Ended:
        """Wait for its end, and for that of what it started; after so many seconds it is killed."""
        deadline, pause = time.monotonic() + patience, _FIRST_LOOK_SECONDS
        while self._ended is None:
            answer = self._forker.ask({"ended": self.pid})
            if answer is None:  # without the process that forked it nobody is told how it ends
                self.kill()
                self._ended = Ended(-signal.SIGKILL)
            elif answer:
                self._ended = Ended(**answer)
            else:
                if time.monotonic() >= deadline:
                    self.killed = True
                    self.kill()
                time.sleep(pause)
                pause = min(2 * pause, _LAST_LOOK_SECONDS)
        return self._ended

    def kill(self) -> None:
        """End it with all that it started; any thread may. It may have left its group."""
        for end in (os.killpg, os.kill):
            if self._ended is None:
                with contextlib.suppress(ProcessLookupError):
                    end(self.pid, signal.SIGKILL)


class Forks:
    """Starts the process to fork from when it is first needed, and anew if it died. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forker: _Forker | None = None

    def start(self) -> None:
        """Let everything be imported now rather than with the first fork."""
        with self._lock, contextlib.suppress(OSError):  # the first fork tells
            self._running()

    def fork(self, folder: Path, environ: Mapping[str, str], connection: int, output: int) -> Forked:
        """Start a worker at the other end of a connection; what it prints goes to ``output``.

        Raises:
            SandboxError: The system starts no further process.
        """
        asked = {"folder": str(folder), "environ": dict(environ)}
        try:
            with self._lock:
                forker = self._running()
        except OSError as error:
            raise _unstarted(str(error)) from error
        answer = forker.ask(asked, [connection, output])
        if answer is None:  # it may have forked before: who asked anew would have two on one connection
            raise _unstarted("the one that it would be forked from ends")
        if "error" in answer:
            raise _unstarted(answer["error"])
        return Forked(int(answer["pid"]), forker)

    def _running(self) -> _Forker:
        if self._forker is None or not self._forker.usable:
            self._forker = _Forker()
        return self._forker


class _Forker:
    """The process that forks."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-c", _START, json.dumps([_ROOT, *sys.path]), str(theirs.fileno())]
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError:
            self._control.close()
            raise
        self._owner, self._lock, self.gone = os.getpid(), threading.Lock(), False
        atexit.register(self._end)
        self._hear()  # that everything is imported

    @property
    def usable(self) -> bool:
        """Say whether it lives and is ours: the server of a function may fork, too."""
        if self._owner != os.getpid():
            return False
        with self._lock:
            if not self.gone and self._process.poll() is not None:
                self._end()
            return not self.gone

    def ask(self, asked: Mapping[str, Any], passed: Sequence[int] = ()) -> dict[str, Any] | None:
        """Ask, and wait for the answer; None when it is gone."""
        with self._lock:
            if not self.gone:
                try:
                    socket.send_fds(self._control, [json.dumps(asked).encode()], passed)
                except OSError:  # it ended meanwhile, or cannot be asked: there is no answer then
                    self._end()
            return self._hear()

    def _hear(self) -> dict[str, Any] | None:
        with contextlib.suppress(OSError):
            if not self.gone and (answer := self._control.recv(_ANSWER_BYTES)):
                said: dict[str, Any] = json.loads(answer)
                return said
        self._end()
        return None

    def _end(self) -> None:
        if not self.gone and self._owner == os.getpid():
            self.gone = True
            self._control.close()
            self._process.kill()
            self._process.wait()


def _unstarted(why: str) -> SandboxError:
    return SandboxError(f"no process can be started for a plugin: {why}; give it more memory")
