"""Holds workers to their limits: the only place that looks at clocks and memory.

Whoever waits for a worker that it ended sees the end of the stream, and asks the worker why.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dativo_dagster.workers import fate
from dativo_dagster.workers.worker import MIB, Worker
from dativo_ingest.worker.client import IDLE

if TYPE_CHECKING:
    from dativo_dagster.workers.fate import Fate
    from dativo_dagster.workers.limits import Limits

LOOK_SECONDS = 0.05


class Watch(threading.Thread):
    """Looks at all workers of a pool every twentieth of a second."""

    def __init__(self, workers: Callable[[], Iterable[Worker]], limits: Limits) -> None:
        super().__init__(name="dativo-watch", daemon=True)
        self.workers, self.limits = workers, limits
        self.done = threading.Event()

    def run(self) -> None:
        """Look until `done`."""
        while not self.done.wait(LOOK_SECONDS):
            for worker in self.workers():
                if why := self._broken(worker):
                    worker.kill(why)

    def _broken(self, worker: Worker) -> Fate | None:
        return self._memory(worker) or worker.overstepped() or (self._time(worker) if worker.session.busy else None)

    def _memory(self, worker: Worker) -> Fate | None:
        used, limit = worker.memory(), self.limits.memory_mb
        return fate.out_of_memory(used // MIB, limit) if used > limit * MIB else None

    def _time(self, worker: Worker) -> Fate | None:
        session, now = worker.session, time.monotonic()
        opening = session.doing == IDLE
        option = "start_seconds" if opening else "timeout_seconds"
        limit: float = getattr(self.limits, option)
        if now - session.asked > limit:
            return fate.too_slow(limit, option)
        waiting = session.waiting
        if not opening and waiting is not None and now - waiting > self.limits.idle_seconds:
            return fate.hung(self.limits.idle_seconds)
        return None
