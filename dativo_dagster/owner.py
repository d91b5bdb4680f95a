"""Whose a thing is that a run made: its job, the run itself, and the process, named by a label and later looked for.

A number of a process is used again after a while, and all of them after a restart of the machine; so the label has the
boot and the time at which the process started, too. Containers have numbers of their own, so it has their namespace.

What is of another machine is not known here, nor what is of another container: one of the same name may be a neighbour
in its pod that lives, or the same pod on another node. But the machine sees the processes of its containers, and whose
boot is its own is one of them. So who asks there, outside of all containers, learns of a pod that was started again.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NUMBERS = Path("/proc/self/ns/pid")
_OUTSIDE = 0xEFFFFFFC
"""The namespace of all processes: PROC_PID_INIT_INO of Linux, include/linux/proc_ns.h."""
_ID = Path("/etc/machine-id")
_DIGITS = 8
_INSIDE = re.compile(r"^NSpid:(.*)$", re.MULTILINE)
"""Which numbers a process has, from here to its innermost container: proc(5)."""
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
        machine, boot, pid, started = label.split("/")
        number = int(pid)
    except ValueError:
        return None
    ours, outside = machine == _machine(), _namespace() == _OUTSIDE
    if not _boot():
        return None
    if boot != _boot():  # of a container it may be another one on another machine that has the same name
        return True if ours and outside else None
    if ours:
        return _started(number) != started
    return _ended_anywhere(pid, started) if outside else None


def _machine() -> str:
    """Name what gives processes their numbers: the machine, or a container of it."""
    # Its file says that the id itself is not to be shown to others: machine-id(5).
    known = hashlib.sha256(_ID.read_bytes()).hexdigest()[:_DIGITS] if _ID.exists() else ""
    return f"{socket.gethostname()}:{known}@{_namespace()}"


def _namespace() -> int:
    return _NUMBERS.stat().st_ino if _NUMBERS.exists() else 0


def _boot() -> str:
    return _BOOT.read_text().strip() if _BOOT.exists() else ""


def _started(pid: int) -> str:
    """Give the start in ticks since the boot; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return ""


def _ended_anywhere(pid: str, started: str) -> bool | None:
    """Tell whether no process here, nor in a container, has that number and start; None where they are hidden."""
    if not Path("/proc/1/status").exists():
        return None  # the processes of others are hidden: `hidepid` of proc(5)
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            numbers = _INSIDE.search(status.read_text(errors="replace"))  # a name may be any bytes
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            return None
        if numbers is None:
            return None
        outer, inner = numbers[1].split()[0], numbers[1].split()[-1]
        if inner == pid and _started(int(outer)) == started:
            return False
    return True
