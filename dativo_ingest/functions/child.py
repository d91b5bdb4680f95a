"""The plugin in a process of its own inside a function: its crash is an error that tells, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from dativo_ingest.worker.batches import allocate
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.client import CANCEL_SECONDS, Gone, Session

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

CLOSE_SECONDS = 5.0
LOG_CHARACTERS = 256 * 1024
"""How much of a plugin's log goes into a reply."""

_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from dativo_ingest.worker import main; main()"
_ROOT = str(Path(__file__).parents[2])


class Child:
    """A process that runs `dativo_ingest.worker`, with one session on it.

    Attributes:
        logs: What the plugin logged, with ``tags``.
        peak_mb: The most memory the process had; known once it is over.
    """

    def __init__(self, folder: Path, tags: Mapping[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            os.set_inheritable(theirs.fileno(), True)  # noqa: FBT003 - positional only
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-I", "-c", _START, _ROOT, "--fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},
                start_new_session=True,
            )
        self.session = Session(Channel(ours, allocate), self)
        self.tags, self.logs, self.peak_mb = tags, [], 0
        self._room = LOG_CHARACTERS
        self._status = 0

    logs: list[dict[str, Any]]

    def open(self, role: str, plugin: PluginRef, config: Mapping[str, Any], level: int) -> Any:
        """Open the plugin; gives what the worker says of it."""
        return self.session.open(role, plugin, config, path=sys.path, log_level=level)

    def hear(self, line: Mapping[str, Any]) -> None:
        """Keep a record that the plugin logged."""
        if self._room <= 0:
            return
        self._room -= len(line["message"])
        kept = {"level": line["level"], "logger": line["logger"], "message": line["message"], "tags": dict(self.tags)}
        if self._room <= 0:
            kept = {**kept, "message": "the plugin logged more than a reply has room for; the rest is left out"}
        self.logs.append(kept)

    def told(self, error: DativoError) -> DativoError:
        """Give an error of the plugin's as it is; the host knows what to add."""
        return error

    def cancel(self) -> None:
        """Ask the verb to end, and end the process if it does not; any thread may."""
        with contextlib.suppress(OSError):
            self.session.channel.send({"op": "cancel"})
        time.sleep(CANCEL_SECONDS)
        self._kill()

    def end(self) -> None:
        """Let the plugin close, and wait for the end of its process."""
        if not self.session.busy:
            self.session.close()
        deadline = time.monotonic() + (0 if self.session.busy else CLOSE_SECONDS)
        while not self._reap(os.WNOHANG):
            if time.monotonic() >= deadline:
                self._kill()
                self._reap(0)
                break
            time.sleep(0.01)
        self._kill()  # what it started and left
        self.session.channel.close()

    def died(self) -> DativoError:
        """Tell why the process ended while something was wanted of it."""
        self._reap(0)
        status = self._status
        if status >= 0:
            return PluginError(f"the plugin ended its process with status {status}", "PLUGIN_CRASHED")
        name = signal.Signals(-status).name
        if name == "SIGKILL":
            message = "the plugin was killed, most likely because the function has not enough memory; raise memory_mb"
            return SandboxError(message, "PLUGIN_OUT_OF_MEMORY", retryable=False)
        return PluginError(f"the plugin crashed with {name}", "PLUGIN_CRASHED", {"signal": name})

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _reap(self, options: int) -> bool:
        """Wait for the end, with what the process used; True once it is known."""
        if self._process.returncode is None:
            pid, status, used = os.wait4(self._process.pid, options)
            if not pid:
                return False
            self._process.returncode = self._status = os.waitstatus_to_exitcode(status)
            self.peak_mb = used.ru_maxrss // 1024
        return True


@contextlib.contextmanager
def talking(child: Child) -> Iterator[Session]:
    """Use the session; a process that ends meanwhile is told as what it died of."""
    try:
        yield child.session
    except Gone:
        raise child.died() from None
