"""Connections to a function: one for each call that runs, kept for the next one, since a new one costs round trips.

None makes a call happen twice. requests repeats no POST. Before it sends one it looks whether the other side has hung
up, and connects anew then: nothing was sent. What breaks later is an error, because a request may have been taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

from dativo_dagster.functions.cloud import KEPT_ALIVE

IDLE_SECONDS = 1.5
"""How long one is kept unused: not as long as servers do (gunicorn 2 s), so that none hangs up on a request."""


class Connections:
    """Sessions of requests, each with one connection."""

    def __init__(self) -> None:
        self._lock, self._closed = threading.Lock(), False
        self._idle: list[tuple[float, Any]] = []
        """Since when, and which; the last one came last."""

    @contextmanager
    def one(self) -> Iterator[Any]:
        """Lend one for a block, in any thread; after an error it is closed."""
        lent, kept = self._take(), False
        try:
            yield lent
            kept = self._keep(lent)
        finally:
            if not kept:
                lent.close()

    def close(self) -> None:
        """Close those that are not lent, and keep none any more."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for _, session in idle:
            session.close()

    def _take(self) -> Any:
        """Give the one that was used last, or a new one; those that were idle for too long are closed."""
        oldest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            old = [session for since, session in self._idle if since <= oldest]
            self._idle = self._idle[len(old) :]
            found = self._idle.pop()[1] if self._idle else None
        for session in old:
            session.close()
        return found or session_kept_alive()

    def _keep(self, session: Any) -> bool:
        with self._lock:
            if not self._closed:
                self._idle.append((time.monotonic(), session))
            return not self._closed


def session_kept_alive() -> Any:
    """Give a session whose connection outlives silence; no answer leaves anything to the next call."""
    import requests

    made = requests.Session()
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for adapter in made.adapters.values():
        cast("Any", adapter).poolmanager.connection_pool_kw["socket_options"] = KEPT_ALIVE
    return made
