"""One child process: started, spoken to, ended, and asked for what it died of."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dativo_ingest
from dativo_dagster.launchers.process import fate
from dativo_dagster.launchers.process.output import Output
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.native.stderr import left_by
from dativo_ingest.worker.batches import allocate
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.client import Doing, Session
from dativo_ingest.worker.logs import log_here

if TYPE_CHECKING:
    from dativo_dagster.launchers.process.config import Config
    from dativo_dagster.launchers.process.fate import Fate
    from dativo_dagster.telemetry import Redactor
    from dativo_ingest.exceptions import DativoError
    from dativo_ingest.model import PluginRef

CLOSE_SECONDS = 5.0
"""How long a plugin may take to close when all went well."""
HURRY_SECONDS = 0.4
"""The same when somebody waits for it to be over: a read that was broken off, an interrupt."""
DEATH_SECONDS = 2.0
"""How long a process may take to be dead once it fell silent; the kernel takes a moment for a large one."""
TERM_SECONDS = 0.2
"""How long a process may take to follow SIGTERM."""
MIB = 1024 * 1024
# A single request for more than this fails at once; arenas and stacks are reserved and not used, so it is generous.
DATA_HEADROOM_MB = 4096

# Isolated (-I): nothing of the working directory or of PYTHON* decides what the child imports. It has our own SDK, and
# then the host's path.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import dativo_ingest; del sys.path[0]; "
    "from dativo_ingest.worker import main; main()"
)
_ROOT = str(Path(dativo_ingest.__file__).parents[1])
_LOGGER = logging.getLogger(__name__)


class Child:
    """A process that runs `dativo_ingest.worker`, with one session on it."""

    def __init__(self, plugin: PluginRef, config: Config, redactor: Redactor) -> None:
        self.plugin, self.config, self.redactor = plugin, config, redactor
        self.printed = 0
        self._fate: Fate | None = None
        self._ending = threading.Lock()
        self.process, connection = _start(config)
        self.session = Session(Channel(connection, allocate), self)
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe, see `_start`
        self.output = Output(self.process.stdout, redact=redactor.text, where=self.where, count=self._count)
        self.output.start()

    def open(self, role: str, config: Mapping[str, Any]) -> Any:
        """Open the plugin; gives what the worker says of it."""
        return self.session.open(
            role,
            self.plugin,
            config,
            path=sys.path,
            log_level=logging.getLogger("dativo_ingest.plugin").getEffectiveLevel(),
            data_bytes=(self.config.memory_mb + DATA_HEADROOM_MB) * MIB,
        )

    def where(self) -> dict[str, str]:
        """Say which plugin does what, for logs and errors."""
        doing = self.session.doing
        known = {"plugin": str(self.plugin), "verb": doing.verb, "stream": doing.stream, "unit": doing.unit}
        return {key: value for key, value in known.items() if value}

    def hear(self, line: Mapping[str, Any]) -> None:
        """Log what the worker logged."""
        self._count(len(line["message"]))
        log_here({**line, "message": self.redactor.text(line["message"])}, **self.where())

    def told(self, error: DativoError) -> DativoError:
        """Complete an error of the plugin's; no secret is in it."""
        error.message = self.redactor.text(error.message)
        error.args = (error.message,)
        error.details = {**self.where(), **self.redactor.value(error.details)}
        return error

    def kill(self, why: Fate) -> None:
        """End the process and what it started, now; the first reason counts."""
        with self._ending:
            self._fate = self._fate or why
            if self.process.returncode is None:
                self._signal(signal.SIGKILL)
                self.session.channel.hang_up()  # a process that left the group would keep it open

    def end(self, patience: float = CLOSE_SECONDS) -> int:
        """End the process, gently if it follows, and free all that belongs to it; gives its exit status."""
        asked = not self.session.busy and self._fate is None and self.process.returncode is None
        if asked:
            self.session.close()
        followed = asked and self._wait(patience)
        if not followed:
            self._signal(signal.SIGTERM)
            self._wait(TERM_SECONDS)
        with self._ending:
            self._signal(signal.SIGKILL)
            status = self.process.wait()
        self.output.finish.set()
        self.output.join()
        self.output.add(left_by(self.process.pid))
        self.session.channel.close()
        if asked and (status or not followed):
            self._tell_bad_end(f"ended with status {status}" if followed else f"took longer than {patience:g} s")
        return status

    def _tell_bad_end(self, what: str) -> None:
        said = "".join(f"; it last said: {line}" for line in self.output.last_words()[-1:])
        message = "plugin %s did not close well: it %s%s"
        _LOGGER.warning(message, self.plugin, what, said, extra={"fields": self.where()})

    def fate(self, doing: Doing) -> DativoError:
        """Give the error that says why nothing more comes of the process."""
        if not self._wait(DEATH_SECONDS):
            self.kill(fate.GARBLED)
        status = self.end()
        why = self._fate or fate.died(status, "\n".join(self.output.kept))
        said = self.output.last_words()
        text = f"plugin {self.plugin}: {doing}: it {why.what}"
        if said:
            text += "; it last said:\n" + "\n".join(f"  {line}" for line in said)
        details = {**self.where(), "exit_status": status, "output": list(self.output.kept)}
        if status < 0:
            details["signal"] = signal.Signals(-status).name
        return why.error(text, why.code, details, why.retryable)

    def _wait(self, seconds: float) -> bool:
        """Wait for the end without taking notice of it: its group can be signalled as long as nobody has."""
        deadline = time.monotonic() + seconds
        while self.process.returncode is None:
            if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _signal(self, number: int) -> None:
        if self.process.returncode is None:
            os.killpg(self.process.pid, number)

    def _count(self, size: int) -> None:
        self.printed += size
        if self.printed > self.config.output_mb * MIB:
            self.kill(fate.flooded(self.config.output_mb))


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
