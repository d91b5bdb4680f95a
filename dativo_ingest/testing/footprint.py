"""What this process and its children hold: memory, open files, threads. Read from Linux's /proc."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dativo_ingest.testing.checks import NotApplicable

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is open: file numbers with what they stand for, numbers of threads, numbers of child processes."""

    files: frozenset[tuple[str, str]]
    threads: frozenset[str]
    children: frozenset[int]


def memory() -> int:
    """Give the resident memory of this process and all below it, in bytes, after what is free was given back.

    Raises:
        NotApplicable: This system has no /proc.
    """
    import pyarrow as pa

    gc.collect()
    pa.default_memory_pool().release_unused()
    return resident()


def resident() -> int:
    """Give the resident memory of this process and all below it, in bytes.

    Raises:
        NotApplicable: This system has no /proc.
    """
    _look_for_proc()
    return sum(_resident(pid) for pid in (os.getpid(), *_below(os.getpid())))


def held() -> Held:
    """Say what is open.

    Raises:
        NotApplicable: This system has no /proc.
    """
    _look_for_proc()
    gc.collect()
    own = PROC / "self"
    return Held(
        files=frozenset(_files(own)),
        threads=frozenset(task.name for task in (own / "task").iterdir()),
        children=frozenset(_below(os.getpid())),
    )


def _files(own: Path) -> Iterator[tuple[str, str]]:
    for number in (own / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile, as is what this listing itself was read from
            yield number.name, str(number.readlink())


def _look_for_proc() -> None:
    if not (PROC / "self" / "statm").exists():
        raise NotApplicable("what a process holds can only be seen on Linux")


def _resident(pid: int) -> int:
    try:
        pages = (PROC / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0  # it ended meanwhile
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _below(pid: int) -> Iterator[int]:
    own = _command(pid)
    for listed in (PROC / str(pid) / "task").glob("*/children"):
        try:
            children = [int(child) for child in listed.read_text().split()]
        except OSError:
            continue  # the thread ended meanwhile
        for child in children:
            if _command(child) != own:  # else it was forked just now and shares all that its parent has
                yield child
                yield from _below(child)


def _command(pid: int) -> bytes:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""
