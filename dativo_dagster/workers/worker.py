"""One worker of a plugin, wherever it runs: what it says is logged, and why it ended is told. A place starts it."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dativo_dagster.owner import current_run
from dativo_dagster.workers import fate
from dativo_ingest.worker.logs import log_here

if TYPE_CHECKING:
    from dativo_dagster.telemetry import Redactor
    from dativo_dagster.workers.fate import Fate
    from dativo_dagster.workers.limits import Limits
    from dativo_dagster.workers.output import Output
    from dativo_ingest.exceptions import DativoError
    from dativo_ingest.model import PluginRef
    from dativo_ingest.worker.client import Doing, Session

CLOSE_SECONDS = 5.0
"""How long a plugin may take to close when all went well."""
HURRY_SECONDS = 0.4
"""The same when somebody waits for it to be over: a read that was broken off, an interrupt."""
DEATH_SECONDS = 2.0
"""How long a worker may take to be dead once it fell silent; the kernel takes a moment for a large one."""
NEWS_SECONDS = 20.0
"""The same once its line ended, as that of a dead one does: a busy engine tells its end late."""
MIB = 1024 * 1024

_LOGGER = logging.getLogger(__name__)


class Worker(ABC):
    """A running `dativo_ingest.worker`, with one session on it.

    A place sets `session` and `output` when it starts one, and says how to wait for its end and how to end it.
    """

    session: Session
    output: Output

    def __init__(self, plugin: PluginRef, limits: Limits, redactor: Redactor) -> None:
        self.plugin, self.limits, self.redactor = plugin, limits, redactor
        self.printed, self.run = 0, current_run()
        self._fate: Fate | None = None
        self._ending, self._leaving = threading.Lock(), threading.Lock()
        self._status: int | None = None

    @abstractmethod
    def open(self, role: str, config: Mapping[str, Any]) -> Any:
        """Open the plugin; gives what the worker says of it."""

    @abstractmethod
    def _finish(self, *, followed: bool) -> int:
        """End it, unless it ``followed`` when it was asked to, and free what belongs to it; gives its exit status."""

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""

    @abstractmethod
    def strike(self) -> None:
        """End it and all that it started, now. Nothing happens to one that is gone."""

    def memory(self) -> int:
        """Give the bytes of memory that it has for itself; 0 where something else watches them."""
        return 0

    def overstepped(self) -> Fate | None:
        """Tell which other limit of its place it broke."""
        return None

    def died(self, status: int) -> Fate:
        """Tell why it is dead when nobody here ended it."""
        return fate.died(status, "\n".join(self.output.kept))

    @property
    def condemned(self) -> bool:
        """Whether it was ended before its time."""
        return self._fate is not None

    def where(self) -> dict[str, Any]:
        """Say which plugin does what, and for which try of which run, for logs and errors."""
        doing = self.session.doing
        known = {"plugin": str(self.plugin), "verb": doing.verb, "stream": doing.stream, "unit": doing.unit}
        run = {"run": self.run.id, "attempt": self.run.attempt} if self.run.id else {}
        return {key: value for key, value in known.items() if value} | run

    def hear(self, line: Mapping[str, Any]) -> None:
        """Log what the worker logged."""
        self.count(len(line["message"]))
        log_here({**line, "message": self.redactor.text(line["message"])}, **self.where())

    def told(self, error: DativoError) -> DativoError:
        """Complete an error of the plugin's; no secret is in it."""
        return self.redactor.error(error, self.where())

    def end(self, patience: float = CLOSE_SECONDS) -> int:
        """End it, gently if it follows, and free all that belongs to it.

        Gives its exit status, negative for a signal.
        """
        with self._leaving:  # who cancels, and who waited for it, come at the same time
            if self._status is None:
                self._status = self._end(patience)
            return self._status

    def _end(self, patience: float) -> int:
        asked = not self.session.busy and not self.condemned
        if asked:
            self.session.close()
        followed = asked and self.wait(patience)
        status = self._finish(followed=followed)
        self.session.channel.close()
        if asked and (status or not followed):
            what = f"ended with status {status}" if followed else f"took longer than {patience:g} s"
            said = "".join(f"; it last said: {line}" for line in self.output.last_words()[-1:])
            message = "plugin %s did not close well: it %s%s"
            _LOGGER.warning(message, self.plugin, what, said, extra={"fields": self.where()})
        return status

    def kill(self, why: Fate) -> None:
        """End it for a reason; the first one counts."""
        with self._ending:
            self._fate = self._fate or why
            self.strike()

    def fate(self, doing: Doing) -> DativoError:
        """Give the error that says why nothing more comes of it."""
        ended = self.session.channel.ended and not self.condemned
        if not self.wait(NEWS_SECONDS if ended else DEATH_SECONDS):
            self.kill(fate.GARBLED)
        status = self.end()
        why = self._fate or self.died(status)
        said = self.output.last_words()
        text = f"plugin {self.plugin}: {doing}: it {why.what}"
        if said:
            text += "; it last said:\n" + "\n".join(f"  {line}" for line in said)
        details = {**self.where(), "exit_status": status, "output": list(self.output.kept)}
        if status < 0:
            details["signal"] = fate.signal_name(-status)
        return why.error(text, why.code, details, why.retryable)

    def count(self, size: int) -> None:
        """Count bytes that it printed or logged."""
        self.printed += size
        if self.printed > self.limits.output_mb * MIB and not self.condemned:
            with self._ending:
                self._fate = self._fate or fate.flooded(self.limits.output_mb)
            # An engine ends a container once all that it printed is read, and who counts is who reads it.
            threading.Thread(target=self.strike, name="dativo-strike", daemon=True).start()
