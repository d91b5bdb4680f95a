"""A Docker engine that can be taken away: a socket that leads to the one of this machine as long as it is there."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from pathlib import Path

ENGINE = "/var/run/docker.sock"
_PIECE = 64 * 1024


class EngineProxy(threading.Thread):
    """Passes all on to the engine until it `freezes` or `goes_away`.

    Attributes:
        url: What DOCKER_HOST is to be.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(name="engine-proxy", daemon=True)
        self.path, self.url = path, f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._end, self._asked_to_end = socket.socketpair()
        self._open = contextlib.ExitStack()
        self._ready = selectors.DefaultSelector()
        self._frozen: list[selectors.SelectorKey] = []

    def run(self) -> None:
        """Pass on what comes; each socket knows the one that it belongs to."""
        with self._ready, self._listener, self._asked_to_end, self._open:
            self._ready.register(self._listener, selectors.EVENT_READ)
            self._ready.register(self._asked_to_end, selectors.EVENT_READ)
            while True:
                for key, _ in self._ready.select():
                    if key.fileobj is self._asked_to_end:
                        if not self._asked_to_end.recv(1):
                            return
                        self._freeze_or_thaw()
                        break  # what is ready besides is passed on no more
                    if key.fileobj is self._listener:
                        self._lead()
                    else:
                        self._pass_on(*key.data)

    def goes_away(self) -> None:
        """End all connections; nobody listens any more."""
        self.path.unlink()
        self._end.close()
        self.join()

    def freezes(self) -> None:
        """Pass on nothing, and end nothing: who asks is not answered."""
        self._end.sendall(b".")
        self._end.recv(1)

    thaws = freezes

    def _freeze_or_thaw(self) -> None:
        frozen, self._frozen = self._frozen, []
        for key in frozen:
            self._ready.register(key.fileobj, key.events, key.data)
        if not frozen:
            self._frozen = [key for key in self._ready.get_map().values() if key.fileobj is not self._asked_to_end]
        for key in self._frozen:
            self._ready.unregister(key.fileobj)
        self._asked_to_end.sendall(b".")

    def _lead(self) -> None:
        ours, _ = self._listener.accept()
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(ENGINE)
        for one, other in ((ours, engine), (engine, ours)):
            self._open.enter_context(one)
            self._ready.register(one, selectors.EVENT_READ, (one, other))

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the other side is gone; this one learns it by itself
            if data := one.recv(_PIECE):
                other.sendall(data)
                return
            other.shutdown(socket.SHUT_WR)
        self._ready.unregister(one)
