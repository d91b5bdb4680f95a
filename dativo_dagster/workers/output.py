"""What a worker prints: logged line by line, but not all of a flood, and its end is kept for the error."""

from __future__ import annotations

import logging
import math
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Any

from dativo_ingest.worker.logs import last_words

LINES_PER_SECOND = 100
LONGEST_LINE = 4096
KEPT_LINES = 40
REST_SECONDS = 10.0
"""How long the rest is read of a worker that ended: what left its group may print for ever."""

_LOGGER = logging.getLogger("dativo_ingest.plugin")


class Output(threading.Thread):
    """Reads the pipe of one worker until it is closed.

    Args:
        pipe: Standard output and error of the worker; closed at the end.
        redact: Takes the secrets out of a line.
        where: Gives the fields that each line is logged with.
        count: Told of the number of bytes that came.
    """

    def __init__(
        self,
        pipe: IO[bytes],
        *,
        redact: Callable[[str], str],
        where: Callable[[], dict[str, Any]],
        count: Callable[[int], None],
    ) -> None:
        super().__init__(name="dativo-output", daemon=True)
        self.pipe, self.redact, self.where, self.count = pipe, redact, where, count
        self.kept: deque[str] = deque(maxlen=KEPT_LINES)
        self.finish = threading.Event()
        self._part = b""
        self._second, self._lines = 0, 0

    def run(self) -> None:
        """Read until the end of the pipe; after `finish` until it is silent, or a while: it may stay open."""
        poll, until = select.poll(), math.inf
        poll.register(self.pipe, select.POLLIN)
        with self.pipe:
            while time.monotonic() < until:
                if self.finish.is_set():
                    until = min(until, time.monotonic() + REST_SECONDS)
                if not poll.poll(1000):
                    if self.finish.is_set():
                        break
                elif data := os.read(self.pipe.fileno(), 65536):
                    self._take(data)
                else:
                    break
        self._take(b"\n" if self._part else b"")

    def add(self, data: bytes) -> None:
        """Take what the worker had printed and did not send; only after its pipe was read to the end."""
        self._take(data + b"\n" if data else b"")

    def last_words(self) -> list[str]:
        """Give the few lines that tell most."""
        return last_words(list(self.kept))

    def _take(self, data: bytes) -> None:
        self.count(len(data))
        *lines, self._part = (self._part + data).split(b"\n")
        if len(self._part) > LONGEST_LINE:
            lines.append(self._part)
            self._part = b""
        for line in lines:
            self._line(line)

    def _line(self, data: bytes) -> None:
        text = self.redact(data[:LONGEST_LINE].decode(errors="replace").rstrip())
        if not text:
            return
        self.kept.append(text)
        if (second := int(time.monotonic())) != self._second:
            if self._lines > LINES_PER_SECOND:
                self._log(f"... {self._lines - LINES_PER_SECOND:,} more lines were printed")
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= LINES_PER_SECOND:
            self._log(text)

    def _log(self, text: str) -> None:
        _LOGGER.info("%s", text, extra={"event_type": "plugin_output", "fields": self.where()})
