"""Holds children to their limits: the only place that looks at clocks and memory.

Whoever waits for a child that it ended sees the end of the stream, and asks the child why.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.launchers.process import fate
from dativo_dagster.launchers.process.child import MIB, Child
from dativo_ingest.worker.client import IDLE

if TYPE_CHECKING:
    from dativo_dagster.launchers.process.config import Config
    from dativo_dagster.launchers.process.fate import Fate

LOOK_SECONDS = 0.05

_LOGGER = logging.getLogger(__name__)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch(threading.Thread):
    """Looks at all children of a pool every twentieth of a second."""

    def __init__(self, children: Callable[[], Iterable[Child]], config: Config) -> None:
        super().__init__(name="dativo-watch", daemon=True)
        self.children, self.config = children, config
        self.done = threading.Event()
        self.sees_memory = Path("/proc/self/statm").exists()
        if not self.sees_memory:
            _LOGGER.warning("this system does not tell the memory of other processes: memory_mb is not watched")

    def run(self) -> None:
        """Look until `done`."""
        while not self.done.wait(LOOK_SECONDS):
            for child in self.children():
                if why := self._broken(child):
                    child.kill(why)

    def _broken(self, child: Child) -> Fate | None:
        return self._memory(child) or (self._time(child) if child.session.busy else None)

    def _memory(self, child: Child) -> Fate | None:
        used = memory_of(child.process.pid) if self.sees_memory else 0
        limit = self.config.memory_mb
        return fate.out_of_memory(used // MIB, limit) if used > limit * MIB else None

    def _time(self, child: Child) -> Fate | None:
        session, now = child.session, time.monotonic()
        opening = session.doing == IDLE
        option = "start_seconds" if opening else "timeout_seconds"
        limit: float = getattr(self.config, option)
        if now - session.asked > limit:
            return fate.too_slow(limit, option)
        waiting = session.waiting
        if not opening and waiting is not None and now - waiting > self.config.idle_seconds:
            return fate.hung(self.config.idle_seconds)
        return None


def memory_of(pid: int) -> int:
    """Give the bytes of memory that a process has for itself; 0 for one that is gone."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE
