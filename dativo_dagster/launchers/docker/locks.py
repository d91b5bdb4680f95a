"""The files that keep builds of one image apart; one stays where a build failed or was killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """Give the folder that they are in: of this user, for all jobs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dativo" / "images"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process of this user build an image at a time."""
    path = folder() / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        # Who waited for it goes on with this file, and who comes then with a new one: the image is there for both.
        path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Say whether a build goes on that holds the lock."""
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
