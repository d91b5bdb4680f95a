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
    """A process that was forked, with a group of its own."""

    def __init__(self, pid: int, forker: _Forker) -> None:
        self.pid, self._forker = pid, forker
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
                    self.kill()
                time.sleep(pause)
                pause = min(2 * pause, _LAST_LOOK_SECONDS)
        return self._ended

    def kill(self) -> None:
        """End it with all that it started; any thread may."""
        if self._ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


class Forks:
    """Starts the process to fork from when it is first needed, and anew if it died. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forker: _Forker | None = None

    def start(self) -> None:
        """Let everything be imported now rather than with the first fork."""
        with self._lock:
            self._running()

    def fork(self, folder: Path, environ: Mapping[str, str], connection: int, output: int) -> Forked:
        """Start a worker at the other end of a connection; what it prints goes to ``output``.

        Raises:
            SandboxError: The system starts no further process.
        """
        asked = {"folder": str(folder), "environ": dict(environ)}
        for _ in range(2):  # the first may have died since it was used last
            with self._lock:
                forker = self._running()
            answer = forker.ask(asked, [connection, output])
            if answer is not None:
                break
        if answer is None or "error" in answer:
            why = answer["error"] if answer else "the one that it would be forked from ends; give it more memory"
            raise SandboxError(f"no process can be started for a plugin: {why}")
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
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._owner, self._lock, self.gone = os.getpid(), threading.Lock(), False
        atexit.register(self._end)
        self._hear()  # that everything is imported

    @property
    def usable(self) -> bool:
        """Say whether it lives and is ours: the server of a function may fork, too."""
        return not self.gone and self._owner == os.getpid()

    def ask(self, asked: Mapping[str, Any], passed: Sequence[int] = ()) -> dict[str, Any] | None:
        """Ask, and wait for the answer; None when it is gone."""
        with self._lock:
            if not self.gone:
                with contextlib.suppress(OSError):  # it ended meanwhile: there is no answer then
                    socket.send_fds(self._control, [json.dumps(asked).encode()], passed)
            return self._hear()

    def _hear(self) -> dict[str, Any] | None:
        with contextlib.suppress(OSError):
            if not self.gone and (answer := self._control.recv(_ANSWER_BYTES)):
                said: dict[str, Any] = json.loads(answer)
                return said
        self._end()
        return None

    def _end(self) -> None:
        if self.usable:
            self.gone = True
            self._control.close()
            self._process.kill()
            self._process.wait()
