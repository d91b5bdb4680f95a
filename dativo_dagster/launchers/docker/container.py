"""One container with a worker in it: started, spoken to, ended, removed, and asked why it ended."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.engine import BEING_REMOVED, refusals
from dativo_dagster.launchers.docker.held import first_process
from dativo_dagster.launchers.docker.hints import hint
from dativo_dagster.launchers.docker.room import asked_for
from dativo_dagster.workers import fate
from dativo_dagster.workers.output import Output
from dativo_dagster.workers.worker import DEATH_SECONDS, MIB, Worker
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker.batches import allocate
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.client import Session

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.config import Config
    from dativo_dagster.launchers.docker.room import Room
    from dativo_dagster.telemetry import Redactor
    from dativo_dagster.workers.fate import Fate
    from dativo_ingest.exceptions import DativoError
    from dativo_ingest.model import PluginRef

_SIGNALS_FROM = 128  # how `docker-init` and shells tell a signal by an exit status
_MEASURE_SECONDS = 0.5
_LATER = "container %s is left, and removed once the Docker engine answers, or by `dativo places gc`"
_LEFT = "container %s is left, and `dativo places gc` removes it once this process has ended: %s"

_LOGGER = logging.getLogger(__name__)


class Container(Worker):
    """A container that runs `dativo_ingest.worker`, with one session on it."""

    def __init__(
        self, plugin: PluginRef, config: Config, redactor: Redactor, room: Room, unwanted: threading.Event
    ) -> None:
        super().__init__(plugin, config, redactor)
        self.room, self._look_at, self._first = room, 0.0, 0
        with contextlib.closing(room.line()) as line, contextlib.ExitStack() as undo:
            self.container = room.create(line)
            self.life, self._line = _Life(self.container), weakref.ref(line)  # whose thread holds it
            undo.callback(_remove, self.container)
            self.session = Session(Channel(_dead_end(), allocate), self)  # it may print before it can be asked
            undo.callback(self.session.channel.close)
            with asked_for(room):
                line.join(self.container)
            self.output = Output(line.printed, redact=redactor.text, where=self.where, count=self.count)
            self.output.start()
            undo.callback(self.output.join)
            undo.callback(line.hang_up)
            with asked_for(room):
                self.container.start()
            self.life.start()
            connection = line.connected(config.start_seconds, (self.life.ended, unwanted))
            undo.pop_all()
        if connection is not None:
            self._first = first_process(connection)
            self.session.channel.close()
            self.session = Session(Channel(connection, allocate, config.memory_mb * MIB), self)
        elif not self.life.ended.is_set():
            self.kill(fate.CLOSED if unwanted.is_set() else fate.too_slow(config.start_seconds, "start_seconds"))

    def open(self, role: str, config: Mapping[str, Any]) -> Any:
        """Open the plugin; gives what the worker says of it."""
        level = logging.getLogger("dativo_ingest.plugin").getEffectiveLevel()
        return self.session.open(role, self.room.inside(self.plugin), self.room.given(config), log_level=level)

    def told(self, error: DativoError) -> DativoError:
        """Complete an error of the plugin's: paths are those of this machine, and what a container has not is said."""
        error.message = self.room.outside(error.message) + hint(error, self.room.config)
        error.details = {k: self.room.outside(v) if isinstance(v, str) else v for k, v in error.details.items()}
        return super().told(error)

    def strike(self) -> None:
        """End the container now; an engine that cannot, or does not answer, is not waited for."""
        if not self.life.ended.is_set() and self.room.engine_answers():
            _kill(self.container)
        self.session.channel.hang_up()

    def _finish(self, *, followed: bool) -> int:
        if not followed:
            self.strike()
        if self.life.ended.is_set() or self.room.engine_answers():
            self.wait(DEATH_SECONDS)
            _remove(self.container)
            self.life.join(DEATH_SECONDS)
        else:
            _LOGGER.warning(_LATER, self.container.short_id)
            if line := self._line():
                line.hang_up()
            threading.Thread(target=_remove, args=(self.container,), name="dativo-remove", daemon=True).start()
        self.output.finish.set()
        self.output.join()
        return self.life.status

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the container."""
        return self.life.ended.wait(seconds)

    def died(self, status: int) -> Fate:
        """Tell why it is dead: the engine knows whether its memory was used up."""
        if self.life.out_of_memory:
            what = f"needed more memory than memory_mb = {self.limits.memory_mb}"
            return fate.Fate(code="PLUGIN_OUT_OF_MEMORY", what=what)
        if self.life.lost:
            return fate.Fate(code="DOCKER_UNAVAILABLE", what="lost its container: " + self.life.lost, retryable=True)
        return super().died(status)

    def overstepped(self) -> Fate | None:
        """Tell whether it takes too much of the disk; looked at twice a second."""
        now = time.monotonic()
        if now < self._look_at or self.life.ended.is_set():
            return None
        self._look_at = now + _MEASURE_SECONDS
        return self.room.overstepped(self._first)


class _Life(threading.Thread):
    """Waits for the end of a container, which is asked how it ended before anybody removes it.

    Attributes:
        status: The exit status, negative for a signal.
        out_of_memory: Whether the kernel ended something in it for want of memory.
        lost: Why the engine does not tell; empty where it did.
    """

    def __init__(self, container: Any) -> None:
        super().__init__(name="dativo-container", daemon=True)
        self.container = container
        self.ended = threading.Event()
        self.status, self.out_of_memory, self.lost = 0, False, ""

    def run(self) -> None:
        """Wait."""
        try:
            with refusals("a container"):
                status = int(self.container.wait()["StatusCode"])
                self.container.reload()
            self.out_of_memory = bool(self.container.attrs["State"]["OOMKilled"])
            self.status = _SIGNALS_FROM - status if _SIGNALS_FROM < status < _SIGNALS_FROM + signal.NSIG else status
        except SandboxError as error:
            self.status = -signal.SIGKILL  # the engine, or somebody else, took it away
            self.lost = error.message if error.error_code == "DOCKER_UNAVAILABLE" else ""
        finally:
            self.ended.set()


def _dead_end() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def _kill(container: Any) -> None:
    import requests

    import docker

    # It ended meanwhile, or the engine did.
    with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
        container.kill()


def _remove(container: Any) -> None:
    """Remove a container; what it was asked is done, so an engine that cannot is told of and no more."""
    try:
        with refusals("a container"):
            container.remove(force=True, v=True)
    except SandboxError as error:
        if error.details.get("status") not in BEING_REMOVED:
            _LOGGER.warning(_LEFT, container.short_id, error.message)
