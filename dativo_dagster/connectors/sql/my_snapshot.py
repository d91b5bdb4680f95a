"""One state of the database for several sessions, which neither server can hand from one session to another.

Each session starts a transaction of its own. Those count that MariaDB says started at one place of its binary log,
since no commit lies between them. Without that proof, on MySQL or without a binary log, one session remains, and
whoever reads takes turns with it: slower, and never two states.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConnectionError  # noqa: A004 - ours, on purpose

if TYPE_CHECKING:
    from dativo_dagster.connectors.sql.my_connection import MyConnection

_ATTEMPTS = 20


class Snapshot:
    """Sessions that see one state, lent to one reader each."""

    def __init__(self, sessions: list[MyConnection]) -> None:
        self._free = sessions
        self._alive = len(sessions)
        self._changed = threading.Condition()

    @classmethod
    def open(cls, first: MyConnection, connect: Callable[[], MyConnection], wanted: int) -> Snapshot:
        """Bring ``first`` and as many others as can be proved to see the same, up to ``wanted``, to one state."""
        first.snapshot()
        if wanted == 1 or first.position() is None:
            return cls([first])
        others: list[MyConnection] = []
        try:
            for _ in range(wanted - 1):
                others.append(connect())  # noqa: PERF401 - what is open already has to be closed if one fails
            met = _met([first, *others])
        except BaseException:
            for other in others:
                other.close()
            raise
        for other in [o for o in others if o not in met]:
            other.close()
        return cls(met)

    def take(self) -> MyConnection:
        """Give a session, once one is free.

        Raises:
            ConnectionError: ``CANCELLED``: there will be none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free or not self._alive)
            if not self._alive:
                raise ConnectionError("the state of the database is no longer held", "CANCELLED", retryable=False)
            return self._free.pop()

    def give_back(self, session: MyConnection) -> None:
        """Let others have a session; a broken one is let go of."""
        with self._changed:
            if self._alive and session.is_open:
                self._free.append(session)
            else:
                self._alive = max(0, self._alive - 1)
                session.leave()
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of the state; sessions that are lent are closed when they come back."""
        with self._changed:
            sessions, self._free, self._alive = self._free, [], 0
            self._changed.notify_all()
        for session in sessions:
            with suppress(Exception):  # it is closed already
                session.leave()


def _met(sessions: list[MyConnection]) -> list[MyConnection]:
    """Start all sessions' transactions until none, or as few as can be, have a commit between them."""
    best: list[MyConnection] = []
    for _ in range(_ATTEMPTS):
        for session in sessions:
            session.snapshot()
        places = defaultdict(list)
        for session in sessions:
            places[session.position()].append(session)
        best = places[sessions[0].position()]
        if len(best) == len(sessions):
            break
    return best
