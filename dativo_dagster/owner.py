"""Whose a thing is that a run made: its job, the run itself, and the process, named by a label and later looked for.

A number of a process is used again after a while, and all of them after a restart of the machine; so the label has the
boot and the time at which the process started, too. And containers may have the machine's name and numbers of their
own: it has their namespace, and what is of another one is not known here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NUMBERS = Path("/proc/self/ns/pid")
_STARTED = 19
"""Where `/proc/<pid>/stat` has the start, counted after the name: proc(5)."""


@dataclass(frozen=True)
class Run:
    """A run and which try of its step this is, 1 the first; no run where somebody uses a plugin by hand."""

    id: str = ""
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose a plugin is that is opened in a place."""

    tenant: str
    job: str = ""
    stream: str = ""


def owner_of(config: Mapping[str, Any]) -> Owner:
    """Tell whose a plugin is, from what it is opened with."""
    stream = config.get("stream") or {}
    return Owner(
        tenant=str(config.get("tenant", "")), job=str(config.get("job", "")), stream=str(stream.get("name", ""))
    )


_run: ContextVar[Run] = ContextVar("dativo_run", default=Run())  # noqa: B039 - it is frozen


@contextmanager
def running(run_id: str, attempt: int = 1) -> Iterator[None]:
    """Say for a block which run it is: places tell it to what they open there, and log lines from afar carry it."""
    token = _run.set(Run(run_id, attempt))
    try:
        yield
    finally:
        _run.reset(token)


def current_run() -> Run:
    """Give the run that this thread works for."""
    return _run.get()


def host_label() -> str:
    """Name this process: its machine, boot, number and start."""
    return f"{_machine()}/{_boot()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(label: str) -> bool | None:
    """Tell whether the process that ``label`` names is gone; None where that cannot be told from here."""
    try:
        host, boot, pid, started = label.split("/")
        number = int(pid)
    except ValueError:
        return None
    if host != _machine() or not _boot():
        return None
    return boot != _boot() or _started(number) != started


def _machine() -> str:
    """Name what gives processes their numbers: the machine, or a container of it."""
    namespace = _NUMBERS.stat().st_ino if _NUMBERS.exists() else 0
    return f"{socket.gethostname()}@{namespace}"


def _boot() -> str:
    return _BOOT.read_text().strip() if _BOOT.exists() else ""


def _started(pid: int) -> str:
    """Give the start in ticks since the boot; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return ""
