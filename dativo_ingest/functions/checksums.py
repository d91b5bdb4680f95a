"""What tells that an object of the staging folder is the one that was put there: its size and its CRC-32.

That shows what was cut, damaged, mixed up or left from somebody else, and costs a fifth of a second for a GB. It stops
nobody who changes rows on purpose: who may write to the folder, or holds the function, may say any sum.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1024 * 1024


def checksum(data: Any) -> dict[str, int]:
    """Give ``bytes`` and ``crc32`` of a buffer."""
    return {"bytes": len(data), "crc32": zlib.crc32(data)}


def checksum_of_file(path: Path) -> dict[str, int]:
    """Give the same of a file."""
    size, crc32 = 0, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            size, crc32 = size + len(chunk), zlib.crc32(chunk, crc32)
    return {"bytes": size, "crc32": crc32}
