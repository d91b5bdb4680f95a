"""Tells a verb that it has to end: the host wants it to, the host is gone, or the time runs out.

A reader is told a while before its time is over, so that it can stop between two batches.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import DativoError, PluginError, TransientError

if TYPE_CHECKING:
    from dativo_ingest.functions.store import Folder

LOOK_SECONDS = 1.0
MARGIN_SECONDS = 5.0
"""What is kept of an invocation's time for clearing up and answering; a fifth of a short one."""
ENOUGH_SECONDS = 30.0
"""How long before the end of its time a read should stop between two batches; half of a short one."""


class Watch(threading.Thread):
    """Looks once a second; calls ``enough`` once when a read should come to an end, and ``end`` once when it is over.

    Attributes:
        late: Whether ``enough`` was called.
        tick: Called at every look.
    """

    def __init__(
        self,
        folder: Folder,
        remaining: Callable[[], float],
        end: Callable[[], None],
        enough: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="dativo-watch", daemon=True)
        self._folder, self._remaining, self._end, self._enough = folder, remaining, end, enough
        seconds = remaining()
        self._margin, self._early = min(MARGIN_SECONDS, seconds / 5), min(ENOUGH_SECONDS, seconds / 2)
        self._done = threading.Event()
        self._why: DativoError | None = None
        self.late = False
        self.tick: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Look until it is over."""
        while not self._done.wait(max(0.0, min(LOOK_SECONDS, self._left()))):
            if not self.late and self._remaining() <= self._early:
                self.late = True
                self._enough()
            self._why = self._look()
            if self._why is not None:
                self._end()
                return
            with contextlib.suppress(DativoError):  # it comes again, in the thread that the rows come from
                self.tick()

    def check(self) -> None:
        """Raise why the verb has to end, if it has to."""
        if self._why is not None:
            raise self._why

    def pause(self, seconds: float) -> None:
        """Wait a moment; raises as `check` does."""
        self._done.wait(seconds)
        self.check()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self.join()

    def _left(self) -> float:
        return self._remaining() - self._margin

    def _look(self) -> DativoError | None:
        if self._left() <= 0:
            message = (
                "the function's time ran out before the verb was done, and the same would take as long again; cut the "
                "stream into smaller units, or raise timeout_seconds where the cloud allows more"
            )
            return TransientError(message, "FUNCTION_TIMEOUT", retryable=False)
        with contextlib.suppress(DativoError):  # a store that is away for a moment is asked again in a second
            if self._folder.has("cancel") or not self._folder.has("owner.json"):
                return PluginError("the host wanted the verb to end", "CANCELLED")
        return None
