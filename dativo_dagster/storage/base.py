"""The verbs of a store, and the plain values they give. `_disk` and `_bucket` carry them out, `opening` chooses."""

from __future__ import annotations

import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError, TransientError

if TYPE_CHECKING:
    from types import TracebackType

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """One file as a store lists it.

    ``path`` is an absolute URI, ``modified`` an aware UTC time. ``etag`` changes whenever the content may have: the
    store's ETag, or on disk the inode with size and time of change.
    """

    path: str
    size: int
    modified: datetime
    etag: str


class LargerError(Exception):
    """A file has more bytes than its reader takes; ``size`` are those it has."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size:,} bytes")
        self.size = size


class Storage(ABC):
    """One bucket, or the local disk. Paths are absolute URIs of that bucket."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[FileInfo]:
        """List all files below ``prefix`` (a folder), at any depth, in no promised order."""

    @abstractmethod
    def find(self, path: str) -> FileInfo | None:
        """Give what is known of one file, None when there is none."""

    @abstractmethod
    def read_range(self, path: str, start: int, length: int, *, etag: str | None = None) -> bytes:
        """Read some bytes of a file; TransientError ``FILE_CHANGED`` when it no longer has ``etag``."""

    @abstractmethod
    def open_read(self, path: str, *, etag: str | None = None) -> IO[bytes]:
        """Open a file for reading, seekable, with bounded memory; ``etag`` as in `read_range`."""

    @abstractmethod
    def open_write(self, path: str) -> WriteStream:
        """Open a file for writing. It is visible, whole, once closed without an exception, and never before."""

    @abstractmethod
    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; of many at once at most one is told True.

        False can also mean that our own write landed and its answer was lost: who must know looks at the content.
        """

    @abstractmethod
    def put_if_match(self, path: str, data: bytes, etag: str) -> bool:
        """Replace a file unless its etag is another by now; False as with `put_if_absent`."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is fine."""

    def unfinished(self, prefix: str) -> Iterator[FileInfo]:  # noqa: ARG002 - stores of objects have nothing to look at
        """Give what killed writers left below a folder; `list` never does.

        An object store keeps parts of an upload aside, where a lifecycle rule of the bucket ends them.
        """
        return iter(())

    def stat(self, path: str) -> FileInfo:
        """Give what is known of one file.

        Raises:
            ConfigurationError: ``FILE_NOT_FOUND``.
        """
        found = self.find(path)
        if found is None:
            raise not_found(path)
        return found

    def read(self, path: str) -> bytes:
        """Read a whole, small file."""
        with self.open_read(path) as stream:
            return stream.read()

    def read_if_there(self, path: str, most: int) -> bytes | None:
        """Read a whole file of ``most`` bytes or fewer, None when there is none; a bucket is asked once.

        Raises:
            LargerError: It is larger, and was not read.
        """
        found = self.find(path)
        if found is not None and found.size > most:
            raise LargerError(found.size)
        return None if found is None else self.read_range(path, 0, found.size)

    def write(self, path: str, data: bytes) -> None:
        """Write or replace a whole, small file."""
        with self.open_write(path) as stream:
            stream.write(data)

    def glob(self, pattern: str) -> Sequence[FileInfo]:
        """List the files that ``pattern`` names, by path. ``*`` and ``?`` stay inside one folder, ``**`` does not."""
        wild = _WILD.search(pattern)
        if wild is None:
            return [f for f in [self.find(pattern)] if f]
        prefix = pattern[: wild.start()].rpartition("/")[0]
        wanted = re.compile(_regex(_absolute(pattern)))
        return sorted((f for f in self.list(prefix) if wanted.fullmatch(f.path)), key=lambda f: f.path)


class WriteStream(io.RawIOBase):
    """A file being written. Leave the ``with`` block by an exception, or call `abort`, and nothing was written."""

    def abort(self) -> None:
        """Drop what was written."""
        raise NotImplementedError

    def writable(self) -> bool:
        """Say yes."""
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def local_path(path: str) -> Path:
    """Give a local path or a ``file:`` URI as an absolute path of this machine."""
    if path.startswith("file:"):
        return Path(path.removeprefix("file://").removeprefix("file:"))
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and a link's name is its name


def local_uri(local: Path) -> str:
    """Give an absolute path as a URI. Not percent-encoded: pyiceberg takes what follows the scheme as the name."""
    return f"file://{local}"


def not_found(path: str) -> ConfigurationError:
    """Make the error for a file that is not there."""
    return ConfigurationError(f"there is no file {path}; check the path and its spelling", "FILE_NOT_FOUND")


def changed(path: str) -> TransientError:
    """Make the error for a file that is not the one that was planned."""
    return TransientError(
        f"{path} changed while it was being read; nothing of it was taken. The next try plans it anew", "FILE_CHANGED"
    )


def _absolute(pattern: str) -> str:
    return pattern if "://" in pattern and not pattern.startswith("file:") else local_uri(local_path(pattern))


def _regex(pattern: str) -> str:
    """Translate a glob: ``**/`` is any depth, ``*`` and ``?`` stop at a slash."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(parts.get(t) or (t.replace("[!", "[^") if t[:1] == "[" else re.escape(t)) for t in tokens)
