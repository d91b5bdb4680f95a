"""The plugin in a process of its own inside a function: its crash is an error that tells, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import DativoError, PluginError, SandboxError
from dativo_ingest.functions.forks import Forks
from dativo_ingest.functions.records import Printed, Records
from dativo_ingest.worker.batches import allocate
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.client import CANCEL_SECONDS, Gone, Session
from dativo_ingest.worker.logs import last_words

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

CLOSE_SECONDS = 5.0
DEATH_SECONDS = 2.0
"""How long a process that says nothing more may take to end by itself."""

FORKS = Forks()
"""Where this instance of the function has its processes from."""


class Child:
    """A process that runs `dativo_ingest.worker`, with one session on it.

    Attributes:
        process: What was started.
        records: What the plugin logged and printed.
        peak_mb: The most memory the process had; known once it is over.
    """

    def __init__(self, folder: Path, tags: Mapping[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        printed, output = os.pipe()
        self.session = Session(Channel(ours, allocate), self)
        self.records, self.peak_mb, self._plugin = Records(tags), 0, "the plugin"
        self._printed = Printed(os.fdopen(printed, "rb"), self.records)
        self._printed.start()
        try:
            with theirs, os.fdopen(output, "wb"):
                environ = {**os.environ, "TMPDIR": str(folder)}
                self.process = FORKS.fork(folder, environ, theirs.fileno(), output)
        except BaseException:
            self.session.channel.close()
            raise

    def open(self, role: str, plugin: PluginRef, config: Mapping[str, Any], level: int) -> Any:
        """Open the plugin; gives what the worker says of it."""
        self._plugin = f"plugin {plugin}"
        return self.session.open(role, plugin, config, path=sys.path, log_level=level)

    def hear(self, line: Mapping[str, Any]) -> None:
        """Keep a record that the plugin logged."""
        self.records.add(line["level"], line["logger"], line["message"])

    def told(self, error: DativoError) -> DativoError:
        """Give an error of the plugin's as it is; the host knows what to add."""
        return error

    def enough(self) -> None:
        """Ask a read to stop after its next batch, if its plugin can say what is left then; any thread may."""
        with contextlib.suppress(OSError):
            self.session.channel.send({"op": "enough"})

    def cancel(self) -> None:
        """Ask the verb to end, and end the process if it does not; any thread may."""
        with contextlib.suppress(OSError):
            self.session.channel.send({"op": "cancel"})
        time.sleep(CANCEL_SECONDS)
        self.process.kill()

    def end(self) -> None:
        """Let the plugin close, and wait for the end of its process."""
        if not self.session.busy:
            self.session.close()
        self.peak_mb = self.process.wait(0 if self.session.busy else CLOSE_SECONDS).peak_mb
        self._printed.finish()
        self.session.channel.close()

    def died(self) -> DativoError:
        """Tell why the process ended while something was wanted of it; one that garbled what it says is ended."""
        status = self.process.wait(DEATH_SECONDS).status
        self._printed.finish()
        said: dict[str, Any] = {"printed": self._printed.last}
        if self.process.killed:
            what = (
                "was ended because what it sent was no frame, or no answer to what it was asked; does it write to file "
                "descriptors that are not its own?"
            )
            return SandboxError(self._ended(what), "WIRE_BROKEN", said, retryable=False)
        if status >= 0:
            return PluginError(self._ended(f"ended its process with status {status}"), "PLUGIN_CRASHED", said)
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        if name == "SIGKILL":
            what = "was killed, most likely because the function has not enough memory; raise memory_mb"
            return SandboxError(self._ended(what), "PLUGIN_OUT_OF_MEMORY", said, retryable=False)
        return PluginError(self._ended(f"crashed with {name}"), "PLUGIN_CRASHED", {"signal": name, **said})

    def _ended(self, what: str) -> str:
        lines = "".join(f"\n  {line}" for line in last_words(self._printed.last))
        return f"{self._plugin}: it {what}" + (f"; it last said:{lines}" if lines else "")


@contextlib.contextmanager
def talking(child: Child) -> Iterator[Session]:
    """Use the session; a process that ends meanwhile is told as what it died of."""
    try:
        yield child.session
    except Gone:
        raise child.died() from None
