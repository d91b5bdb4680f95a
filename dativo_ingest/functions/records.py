"""What a plugin logs and prints in a function: kept for the reply, so that the host can hide secrets in it.

None of it goes to the cloud's own log: a function does not know what is secret, and others may read there.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, Any

ROOM = 512 * 1024
"""Bytes of records, as JSON, that a reply has room for."""
LONGEST_LINE = 4096
LAST_LINES = 40
PRINTED = "printed"
"""The logger that printed lines are told as."""
_FULL = "the plugin logged more than a reply has room for; the rest is left out"
_FINISH_SECONDS = 1.0


class Records:
    """The records of one invocation; any thread may add to them.

    Attributes:
        kept: Those that the reply has, each with the ``tags`` of the invocation.
    """

    def __init__(self, tags: Mapping[str, Any]) -> None:
        self.kept: list[dict[str, Any]] = []
        self._tags, self._room, self._lock = dict(tags), ROOM, threading.Lock()

    def add(self, level: int, logger: str, message: str) -> None:
        """Keep a record, as long as there is room."""
        with self._lock:
            if self._room <= 0:
                return
            record = {"level": level, "logger": logger, "message": message, "tags": self._tags}
            self._room -= len(json.dumps(record))
            self.kept.append(record if self._room > 0 else {**record, "message": _FULL})


class Printed(threading.Thread):
    """Reads what a process prints until its end.

    Attributes:
        last: The last lines, for the error that tells of a crash.
    """

    def __init__(self, pipe: IO[bytes] | None, records: Records) -> None:
        super().__init__(name="dativo-printed", daemon=True)
        self._pipe, self._records = pipe, records
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def last(self) -> list[str]:
        """Give the last lines so far."""
        return list(self._last)

    def run(self) -> None:
        """Read line by line; a line without an end is cut."""
        if self._pipe is None:
            return
        with self._pipe:
            while data := self._pipe.readline(LONGEST_LINE):
                if text := data.decode(errors="replace").rstrip():
                    self._last.append(text)
                    self._records.add(logging.INFO, PRINTED, text)

    def finish(self) -> None:
        """Wait until all is read; not for a process that got away and keeps the pipe open."""
        self.join(_FINISH_SECONDS)
