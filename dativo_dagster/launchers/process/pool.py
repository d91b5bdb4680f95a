"""The children of one opened plugin: one at first, one more for each verb that runs at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.process.child import CLOSE_SECONDS, HURRY_SECONDS, Child
from dativo_dagster.launchers.process.fate import CLOSED
from dativo_dagster.launchers.process.watch import Watch
from dativo_dagster.telemetry import Redactor, secrets_in
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker.client import IDLE, Doing, Gone, Session

if TYPE_CHECKING:
    from dativo_dagster.launchers.process.config import Config
    from dativo_ingest.model import PluginRef


class Pool:
    """Lends out sessions. Opens its first child at once, so that a plugin that cannot be opened fails right there.

    Attributes:
        said: What the worker told of the plugin when it was opened.
    """

    def __init__(self, role: str, plugin: PluginRef, config: Mapping[str, Any], limits: Config) -> None:
        self.role, self.plugin, self.config, self.limits = role, plugin, config, limits
        self.redactor = Redactor([*_secrets(config), *secrets_in(limits.environment)], patterns=True)
        self.said: Mapping[str, Any] = {}
        self._children: list[Child] = []
        self._idle: list[Child] = []
        self._lock = threading.Lock()
        self._one: threading.Lock | None = None
        self._closed = False
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
        """End all children at once; see `Workers`."""
        self._close(HURRY_SECONDS)

    def keep_to_one(self) -> None:
        """Run one verb at a time from now on, all of them in one child."""
        self._one = threading.Lock()

    @contextmanager
    def lend(self, doing: Doing) -> Iterator[Session]:
        """Lend a session for one verb; see `Workers`."""
        with self._one or nullcontext():
            child = self._take()
            try:
                yield child.session
            except Gone as gone:
                raise child.fate(doing) from gone
            finally:
                self._give_back(child)

    def _take(self) -> Child:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def _new(self) -> Child:
        with self._lock:
            if self._closed:
                raise SandboxError(f"plugin {self.plugin} {CLOSED.what}", CLOSED.code, retryable=False)
            child = Child(self.plugin, self.limits, self.redactor)
            self._children.append(child)
        try:
            self.said = child.open(self.role, self.config)
        except Gone as gone:
            raise child.fate(IDLE) from gone
        except BaseException:
            self._drop(child, HURRY_SECONDS)
            raise
        return child

    def _give_back(self, child: Child) -> None:
        """Keep a child for the next verb, the last used first; one that is in the middle of something is ended."""
        usable = not child.session.busy
        child.session.cancel()
        with self._lock:
            usable = usable and not self._closed
            if usable:
                child.printed = 0
                self._idle.append(child)
        if not usable:
            self._drop(child, HURRY_SECONDS)

    def _drop(self, child: Child, patience: float) -> None:
        child.end(patience)
        with self._lock:
            if child in self._children:
                self._children.remove(child)

    def _all(self) -> list[Child]:
        with self._lock:
            return list(self._children)

    def _close(self, patience: float) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in self._all():
            if child in idle:
                child.session.close()
            else:
                child.kill(CLOSED)
        with ExitStack() as stack:
            for child in self._all():
                stack.callback(self._drop, child, patience)
        self._watch.done.set()
        self._watch.join()


def _secrets(config: Mapping[str, Any]) -> Iterator[str]:
    """Give every text under a key that says so, and all below `credentials`."""
    yield from secrets_in(config)
    for side in ("source", "target"):
        yield from _texts(config.get(side, {}).get("credentials"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
