"""The children of this process that are workers of plugins: servers that fixtures started are nobody's leak."""

from __future__ import annotations

import contextlib
from pathlib import Path


def workers() -> set[int]:
    """Give the worker processes that this one has, and any that ended and nobody waited for."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if _is_worker(pid)}


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return not command or b"dativo_ingest.worker" in command  # a zombie has no command line
    return False
