"""A stream that says how much was read of it. For readers, whose progress others ask for while they read."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class Counted(io.RawIOBase):
    """Hands on what ``stream`` gives and adds its length to ``counts[name]``, from 0; closes it with itself.

    Only the thread that reads writes the number, so that others may look at it without a lock.
    """

    def __init__(self, stream: IO[bytes], counts: MutableMapping[str, int], name: str) -> None:
        super().__init__()
        self.stream, self.counts, self.name = stream, counts, name
        counts[name] = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as the stream does: no copy is made on the way."""
        data = self.stream.read(-1 if size is None else size)
        self.counts[self.name] += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` as far as one read goes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say what the stream says."""
        return self.stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go elsewhere; what is read twice counts twice."""
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        """Give the place in the stream."""
        return self.stream.tell()

    def close(self) -> None:
        """Close the stream, too."""
        self.stream.close()
        super().close()
