"""The workers of one opened plugin: one at first, one more for each verb that runs at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from dativo_dagster.owner import current_run, owner_of, running
from dativo_dagster.telemetry import Redactor, plugin_secrets, secrets_in
from dativo_dagster.workers.fate import CLOSED
from dativo_dagster.workers.watch import Watch
from dativo_dagster.workers.worker import CLOSE_SECONDS, HURRY_SECONDS, Worker
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker.client import IDLE, Doing, Gone, Session

if TYPE_CHECKING:
    from dativo_dagster.workers.limits import Limits
    from dativo_ingest.model import PluginRef

Start = Callable[["PluginRef", Redactor, threading.Event], Worker]
"""Starts one more worker for a plugin; secrets are taken out of what it says. The event says that nobody waits."""


class Pool:
    """Lends out sessions. Opens its first worker at once, so that a plugin that cannot be opened fails right there.

    Args:
        role: ``reader`` or ``writer``.
        plugin: The plugin, as logs and errors name it.
        config: What the plugin is opened with.
        limits: What each worker is held to.
        start: Starts a worker.

    Attributes:
        said: What the worker told of the plugin when it was opened.
        stream: What the plugin was opened for.
    """

    def __init__(self, role: str, plugin: PluginRef, config: Mapping[str, Any], limits: Limits, start: Start) -> None:
        self.role, self.plugin, self.config, self._start = role, plugin, config, start
        self.redactor = Redactor([*plugin_secrets(config), *secrets_in(limits.environment)], patterns=True)
        self.said: Mapping[str, Any] = {}
        self.stream = owner_of(config).stream
        self._run = current_run()
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self._one: threading.Lock | None = None
        self._closed = threading.Event()
        self._starting = 0
        self._started = threading.Condition(self._lock)
        self._watch = Watch(self._all, limits)

    def __enter__(self) -> Pool:  # noqa: PYI034 - Self is in no standard library before Python 3.11
        self._watch.start()
        try:
            self._give_back(self._new())
        except BaseException:
            self._close(HURRY_SECONDS)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        calm = kind is None or issubclass(kind, Exception)
        self._close(CLOSE_SECONDS if calm else HURRY_SECONDS)

    def cancel(self) -> None:
        """End all workers at once; see `Workers`."""
        self._close(HURRY_SECONDS)

    def keep_to_one(self) -> None:
        """Run one verb at a time from now on, all of them in one worker."""
        self._one = threading.Lock()

    @contextmanager
    def lend(self, doing: Doing) -> Iterator[Session]:
        """Lend a session for one verb; see `Workers`."""
        with self._one or nullcontext():
            worker = self._take()
            try:
                yield worker.session
            except Gone as gone:
                raise worker.fate(doing) from gone
            finally:
                self._give_back(worker)

    def idle(self) -> int:
        """Count the workers that nobody was lent; see `Workers`."""
        with self._lock:
            return len(self._idle)

    def _take(self) -> Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def _new(self) -> Worker:
        with self._beginning(), running(self._run.id, self._run.attempt):  # a unit has a thread of its own
            worker = self._start(self.plugin, self.redactor, self._closed)
            self._workers.append(worker)
        try:
            self.said = worker.open(self.role, self.config)
        except Gone as gone:
            raise worker.fate(IDLE) from gone
        except BaseException:
            self._drop(worker, HURRY_SECONDS)
            raise
        return worker

    @contextmanager
    def _beginning(self) -> Iterator[None]:
        """Start something that takes a while: others are lent workers meanwhile, and who closes waits for it."""
        with self._lock:
            if self._closed.is_set():
                raise SandboxError(f"plugin {self.plugin} {CLOSED.what}", CLOSED.code, retryable=False)
            self._starting += 1
        try:
            yield
        finally:
            with self._started:
                self._starting -= 1
                self._started.notify_all()

    def _give_back(self, worker: Worker) -> None:
        """Keep a worker for the next verb, the last used first; one that is in the middle of something is ended."""
        usable = not (worker.session.busy or worker.condemned)  # one that answered nonsense is busy no more
        worker.session.cancel()
        with self._lock:
            usable = usable and not self._closed.is_set()
            if usable:
                worker.printed = 0
                self._idle.append(worker)
        if not usable:
            self._drop(worker, HURRY_SECONDS)

    def _drop(self, worker: Worker, patience: float) -> None:
        worker.end(patience)
        with self._lock:
            if worker in self._workers:
                self._workers.remove(worker)

    def _all(self) -> list[Worker]:
        with self._lock:
            return list(self._workers)

    def _close(self, patience: float) -> None:
        with self._started:
            self._closed.set()
            self._started.wait_for(lambda: not self._starting)
            idle, self._idle = self._idle, []
        for worker in self._all():
            if worker in idle:
                worker.session.close()
            else:
                worker.kill(CLOSED)
        with ExitStack() as stack:
            stack.callback(self._watch.join)
            stack.callback(self._watch.done.set)
            for worker in self._all():
                stack.callback(self._drop, worker, patience)
