"""Whose a thing is that a run made: the process that made it is named by a label, and later looked for.

A number of a process is used again after a while, and all of them after a restart of the machine; so the label has the
boot and the time at which the process started, too.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTED = 19
"""Where `/proc/<pid>/stat` has the start, counted after the name: proc(5)."""


def host_label() -> str:
    """Name this process: its machine, boot, number and start."""
    return f"{socket.gethostname()}/{_boot()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(label: str) -> bool | None:
    """Tell whether the process that ``label`` names is gone; None where that cannot be told from here."""
    try:
        host, boot, pid, started = label.split("/")
        number = int(pid)
    except ValueError:
        return None
    if host != socket.gethostname() or not _boot():
        return None
    return boot != _boot() or _started(number) != started


def _boot() -> str:
    return _BOOT.read_text().strip() if _BOOT.exists() else ""


def _started(pid: int) -> str:
    """Give the start in ticks since the boot; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return ""
