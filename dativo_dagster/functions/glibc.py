"""Whether a library or program runs on a function's runtime: its machine, and the glibc that it needs.

A library that was built on a newer system than the runtime's cannot be loaded there, and the dynamic linker says so
only when the function is called. What it needs stands in the file: each symbol that it takes from glibc has a version,
in the section ``.gnu.version_r``.
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dativo_ingest.exceptions import ConfigurationError

AL2 = (2, 26)
"""Amazon Linux 2: ``provided.al2`` and Python up to 3.11."""
AL2023 = (2, 34)
"""Amazon Linux 2023: ``provided.al2023`` and Python from 3.12."""
UBUNTU_22 = (2, 35)
"""Ubuntu 22.04: Cloud Functions of the second generation, Python up to 3.13.

As Google documents it, not measured: https://cloud.google.com/run/docs/runtimes/python
"""
UBUNTU_24 = (2, 39)
"""Ubuntu 24.04: the same from Python 3.14."""

MACHINES = {3: "i686", 40: "arm", 62: "x86_64", 183: "aarch64"}
_SAME_MACHINE = {"arm64": "aarch64", "amd64": "x86_64"}
_HEADER = {1: "HHIIIIIHHHHHH", 2: "HHIQQQIHHHHHH"}  # by class, 32 and 64 bit
_SECTION = {1: "IIIIIIIIII", 2: "IIQQQQIIQQ"}
_VERSIONS_NEEDED = 0x6FFFFFFE  # the type of .gnu.version_r
_NEED, _VERSION = "HHIII", "IHHII"  # of a library, and of one version of it
_GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class Needs:
    """What a file asks of the system that loads it."""

    machine: str
    glibc: tuple[int, int]
    """The highest version of a symbol; (0, 0) when it takes none from glibc."""


def needs(path: Path) -> Needs:
    """Read from an ELF file what it needs; the file is not loaded.

    Raises:
        ConfigurationError: ``LIBRARY_UNREADABLE``: it is no ELF file, or cut short.
    """
    data = path.read_bytes()
    if not re.match(rb"\x7fELF[\x01\x02][\x01\x02]", data):
        raise _unreadable(path)
    try:
        return _needs(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise _unreadable(path) from error


def check(path: Path, runtime: str, architecture: str = "x86_64") -> None:
    """Refuse a library or program that a runtime cannot load.

    Args:
        path: The file that goes into the package.
        runtime: As the cloud names it: ``provided.al2023``, ``python3.12``, ``python311`` of Cloud Functions.
        architecture: As the cloud or the system names it: ``x86_64``, ``arm64``.

    Raises:
        ConfigurationError: ``GLIBC_TOO_NEW`` or ``WRONG_MACHINE``.
    """
    found, wanted = needs(path), _SAME_MACHINE.get(architecture, architecture)
    details = {"library": path.name, "runtime": runtime, "architecture": architecture}
    if found.machine != wanted:
        message = f"{path.name} is built for {found.machine} and the function is {wanted}: build it for {wanted}, "
        raise ConfigurationError(message + "or change `architecture` of the function", "WRONG_MACHINE", details)
    theirs = glibc_of(runtime)
    if found.glibc > theirs:
        needed, has = _dotted(found.glibc), _dotted(theirs)
        message = (
            f"{path.name} needs glibc {needed} and the runtime {runtime} has {has}: build it against the older one, "
            f"with `cargo zigbuild --release --target {wanted}-unknown-linux-gnu.{has}` or in a container of an older "
            "system, or choose a newer runtime"
        )
        raise ConfigurationError(message, "GLIBC_TOO_NEW", {**details, "needs": needed, "has": has})


def glibc_of(runtime: str) -> tuple[int, int]:
    """Give the glibc of a runtime.

    Raises:
        ConfigurationError: ``UNKNOWN_RUNTIME``.
    """
    python = re.fullmatch(r"python3(\.?)(\d+)", runtime)
    if runtime == "provided.al2023" or (python and python[1] and int(python[2]) >= 12):  # noqa: PLR2004 - Python 3.12
        return AL2023
    if runtime == "provided.al2" or (python and python[1]):
        return AL2
    if python:
        return UBUNTU_24 if int(python[2]) >= 14 else UBUNTU_22  # noqa: PLR2004 - Python 3.14
    message = f"the runtime {runtime!r} is not known; use provided.al2023, provided.al2 or a Python such as python3.12"
    raise ConfigurationError(message, "UNKNOWN_RUNTIME", {"runtime": runtime})


def _needs(data: bytes) -> Needs:
    bits, order = data[4], "<" if data[5] == 1 else ">"
    head = struct.unpack_from(order + _HEADER[bits], data, 16)
    machine, start, size, count = head[1], head[5], head[10], head[11]
    form = order + _SECTION[bits]
    sections = [struct.unpack_from(form, data, start + number * size) for number in range(count)]
    versions = {
        (int(found[1]), int(found[2]))
        for section in sections
        if section[1] == _VERSIONS_NEEDED
        for name in _names(data, order, section, sections[section[6]][4])
        if (found := _GLIBC.fullmatch(name))
    }
    return Needs(MACHINES.get(machine, f"machine {machine}"), max(versions, default=(0, 0)))


def _names(data: bytes, order: str, section: tuple[int, ...], texts: int) -> Iterator[bytes]:
    """Give the versions of a section of needs: for each library a list, linked by distances; so are the libraries."""
    at = section[4]
    for _ in range(section[7]):
        _, count, _, first, following = struct.unpack_from(order + _NEED, data, at)
        here = at + first
        for _ in range(count):
            *_, name, distance = struct.unpack_from(order + _VERSION, data, here)
            yield data[texts + name : data.index(b"\0", texts + name)]
            here += distance
            if not distance:  # the last one, whatever the count of a damaged file is
                break
        at += following
        if not following:
            break


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _unreadable(path: Path) -> ConfigurationError:
    message = f"{path.name} is no library of Linux, or cut short: build or fetch it again"
    return ConfigurationError(message, "LIBRARY_UNREADABLE", {"library": path.name})
