"""Files that a container removed and still holds: no folder shows them, and they fill the disk until it lets go.

They are known from `/proc` of this machine, see `man 5 proc`: what each process has open, and what it has mapped.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_HANDLES = 200_000
"""How many files a container may have open or mapped: each of its processes has mapped its libraries, some hundred."""
_MOST_PROCESSES = 10_000
"""It may start them faster than anybody can follow."""
_REMOVED = b" (deleted)\n"
_PEER = struct.Struct("3i")
"""What SO_PEERCRED tells: process, user and group, see `man 7 unix`."""


def first_process(connection: socket.socket) -> int:
    """Tell the number that the first process of a container has here, from the connection of its worker.

    It is 0 where this process sees none of it: the engine's kernel is another, or this is a container itself.
    """
    if sys.platform != "linux":
        return 0
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    worker, _, _ = _PEER.unpack(said)
    first = next(iter(_fact(worker, "PPid")), "0")
    numbers = _fact(int(first), "NSpid")  # from here inwards
    return int(first) if len(numbers) > 1 and numbers[-1] == "1" else 0


def held(first: int, folder: os.stat_result) -> int:
    """Measure the removed files that a container holds on the disk of a folder, in bytes.

    What it may not look at counts nothing; a container with more than `MOST_HANDLES` holds more than any disk has.
    """
    files = {}
    for looked, facts in enumerate(_handles(first)):
        if looked > MOST_HANDLES:
            return sys.maxsize
        if facts and stat.S_ISREG(facts.st_mode) and not facts.st_nlink and facts.st_dev == folder.st_dev:
            files[facts.st_ino] = max(facts.st_size, facts.st_blocks * 512)
    return sum(files.values())


def _handles(first: int) -> Iterator[os.stat_result | None]:
    """Look at what is open, and of what is mapped only at what was removed: the kernel says so in its text."""
    for process in _processes(first):
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as handles:
            yield from (_look(handle.path) for handle in handles)
        with contextlib.suppress(OSError), Path(f"/proc/{process}/maps").open("rb") as maps:
            for line in maps:
                yield _look(f"/proc/{process}/map_files/{_range(line)}") if line.endswith(_REMOVED) else None


def _range(line: bytes) -> str:
    """Give the addresses in a line of `maps` as `map_files` has them: without zeros before them."""
    return "-".join(f"{int(address, 16):x}" for address in line.split(maxsplit=1)[0].split(b"-"))


def _look(handle: str) -> os.stat_result | None:
    with contextlib.suppress(OSError):  # it was closed meanwhile, or only root may look
        return Path(handle).stat()
    return None


def _processes(first: int) -> list[int]:
    """Give a process and all that it is above of: what loses its parent in a container is given to the first."""
    found = [first]
    for process in itertools.islice(found, _MOST_PROCESSES):
        with contextlib.suppress(OSError):  # it ended meanwhile
            for thread in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def _fact(process: int, name: str) -> list[str]:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return line.split()[1:]
    return []
