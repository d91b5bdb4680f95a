"""What can be seen of a library file without loading it. Called by `dlopen`.

The dynamic linker maps a file that is cut short and then ends the process with SIGBUS, so a file is looked at before.
Offsets are those of the ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path
from typing import NamedTuple

_HEADER = {1: "HHIIIIIHHHHHH", 2: "HHIQQQIHHHHHH"}  # by class, 32 and 64 bit
_SEGMENT = {1: "IIIIIIII", 2: "IIQQQQQQ"}
_LOADED = 1  # a segment that is mapped
_MACHINES = {
    3: "x86",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390",
    40: "arm",
    62: "x86-64",
    183: "aarch64",
    243: "riscv",
}


class Header(NamedTuple):
    """The part of an ELF header that matters here."""

    bits: int
    order: str
    machine: int
    segments: int
    segment_size: int
    segment_count: int
    sections: int
    section_size: int
    section_count: int

    @property
    def system(self) -> str:
        """Give what it is built for, as people say it."""
        return f"{32 * self.bits} bit {_MACHINES.get(self.machine, f'machine {self.machine}')}"


def wrong(path: Path) -> str | None:
    """Say why a file cannot be a library of this system; None when it may be one."""
    header = _head(path)
    if header is None:
        return "it is no library, or cut short"
    ours = _head(Path(sys.executable))
    if ours and (header.bits, header.order, header.machine) != (ours.bits, ours.order, ours.machine):
        return f"it is built for {header.system} and this is {ours.system}"
    return None if _end(path, header) <= path.stat().st_size else "it is cut short"


def _head(path: Path) -> Header | None:
    with path.open("rb") as file:
        return _header(file.read(64))


def _header(data: bytes) -> Header | None:
    if not re.match(rb"\x7fELF[\x01\x02][\x01\x02]", data):
        return None
    bits, order = data[4], "<" if data[5] == 1 else ">"
    form = struct.Struct(order + _HEADER[bits])
    if len(data) < 16 + form.size:
        return None
    _, machine, _, _, segments, sections, _, _, size, count, section_size, section_count, _ = form.unpack_from(data, 16)
    return Header(bits, order, machine, segments, size, count, sections, section_size, section_count)


def _end(path: Path, header: Header) -> int:
    """Give how long a file must be to have all that its header speaks of."""
    ends = [header.segments + header.segment_size * header.segment_count]
    if header.sections:
        ends.append(header.sections + header.section_size * header.section_count)
    form = struct.Struct(header.order + _SEGMENT[header.bits])
    with path.open("rb") as file:
        for number in range(header.segment_count):
            file.seek(header.segments + number * header.segment_size)
            data = file.read(form.size)
            if len(data) < form.size:
                break  # the first of the ends is behind the file
            words = form.unpack(data)
            offset, length = (words[1], words[4]) if header.bits == 1 else (words[2], words[5])
            if words[0] == _LOADED:
                ends.append(offset + length)
    return max(ends)
