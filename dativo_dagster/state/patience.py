"""How often a commit is tried, and how long it waits in between. Tables call it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

PATIENCE_SECONDS = 120.0
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0


def tries(seconds: float = PATIENCE_SECONDS) -> Iterator[int]:
    """Count the tries: one at once, then more after random waits that grow (full jitter), until the time is over."""
    started, wait, count = time.monotonic(), FIRST_WAIT_SECONDS, 1
    while True:
        yield count
        time.sleep(random.uniform(0, wait))  # noqa: S311 - jitter
        if time.monotonic() - started > seconds:
            return
        wait, count = min(2 * wait, LONGEST_WAIT_SECONDS), count + 1
