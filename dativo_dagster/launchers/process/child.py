"""One child process: started, spoken to, ended, and asked for what it died of."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dativo_ingest
from dativo_dagster.telemetry import warn_once
from dativo_dagster.workers.output import Output
from dativo_dagster.workers.worker import MIB, Worker
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.native.stderr import left_by
from dativo_ingest.worker.batches import allocate
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.client import Session

if TYPE_CHECKING:
    from dativo_dagster.launchers.process.config import Config
    from dativo_dagster.telemetry import Redactor
    from dativo_ingest.model import PluginRef

TERM_SECONDS = 0.2
"""How long a process may take to follow SIGTERM."""
# A single request for more than this fails at once; arenas and stacks are reserved and not used, so it is generous.
DATA_HEADROOM_MB = 4096

# Isolated (-I): nothing of the working directory or of PYTHON* decides what the child imports. It has our own SDK, and
# then the host's path.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import dativo_ingest; del sys.path[0]; "
    "from dativo_ingest.worker.__main__ import main; main()"
)
_ROOT = str(Path(dativo_ingest.__file__).parents[1])
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SEES_MEMORY = Path("/proc/self/statm").exists()
_LOGGER = logging.getLogger(__name__)


class Child(Worker):
    """A process that runs `dativo_ingest.worker`, with one session on it."""

    def __init__(self, plugin: PluginRef, config: Config, redactor: Redactor) -> None:
        super().__init__(plugin, config, redactor)
        self.process, connection = _start(config)
        self.session = Session(Channel(connection, allocate, config.memory_mb * MIB), self)
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe, see `_start`
        self.output = Output(self.process.stdout, redact=redactor.text, where=self.where, count=self.count)
        self.output.start()

    def open(self, role: str, config: Mapping[str, Any]) -> Any:
        """Open the plugin; gives what the worker says of it."""
        return self.session.open(
            role,
            self.plugin,
            config,
            path=sys.path,
            log_level=logging.getLogger("dativo_ingest.plugin").getEffectiveLevel(),
            data_bytes=(self.limits.memory_mb + DATA_HEADROOM_MB) * MIB,
        )

    def strike(self) -> None:
        """End the process and what it started, now."""
        if self.process.returncode is None:
            self._signal(signal.SIGKILL)
            self.session.channel.hang_up()  # a process that left the group would keep it open

    def _finish(self, *, followed: bool) -> int:
        if not followed:
            self._signal(signal.SIGTERM)
            self.wait(TERM_SECONDS)
        with self._ending:
            self._signal(signal.SIGKILL)
            status = self.process.wait()
        self.output.finish.set()
        self.output.join()
        self.output.add(left_by(self.process.pid))
        return status

    def wait(self, seconds: float) -> bool:
        """Wait for the end without taking notice of it: its group can be signalled as long as nobody has."""
        deadline = time.monotonic() + seconds
        while self.process.returncode is None:
            if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def memory(self) -> int:
        """Give the bytes of memory that the process has for itself; 0 where the system does not tell."""
        return memory_of(self.process.pid) if _SEES_MEMORY else 0

    def _signal(self, number: int) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # another thread took notice of its end just now
                os.killpg(self.process.pid, number)


def _start(config: Config) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker in a session and process group of its own; nothing of the host's is inherited but one socket.

    Raises:
        SandboxError: The system starts no further process.
    """
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-c", _START, _ROOT, "--fd", str(theirs.fileno())]
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **config.environment},
            )
        except OSError as error:
            ours.close()
            raise SandboxError(f"no process can be started for a plugin: {error}") from error
    return process, ours


def memory_of(pid: int) -> int:
    """Give the bytes of memory that a process has for itself; 0 for one that is gone."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def warn_if_blind() -> None:
    """Say where the limit of memory cannot be watched."""
    if not _SEES_MEMORY:
        warn_once(_LOGGER, "this system does not tell the memory of other processes: memory_mb is not watched")
