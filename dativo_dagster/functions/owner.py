"""Whose a staged folder is: a host that lives, or one that is gone."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path


@functools.lru_cache(maxsize=1)
def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else ''}"


def host_label() -> str:
    """Name this process so that another one can tell whether it still lives: machine, boot, process, its start."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(label: str) -> bool | None:
    """Say whether a host is gone; None where only its own machine can tell."""
    if label.count("/") != host_label().count("/"):
        return None
    name, boot, pid, started = label.split("/")
    if name != _machine().split("/")[0]:
        return None
    return f"{name}/{boot}" != _machine() or _started(int(pid)) != started


def _started(pid: int) -> str:
    """Give when a process was started, in ticks since the boot; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
