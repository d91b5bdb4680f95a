"""Files that a stranger laid down: measured, opened and removed without following a link of his.

He may change all of it while the host looks. So each part of a path is opened from the folder before it, never by its
whole name, and what was opened is what is looked at.
"""

from __future__ import annotations

import itertools
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from dativo_dagster.storage import WriteStream

_MOST_ENTRIES = 20_000
_DEEPEST = 32
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe does not wait
_PIECE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Laid:
    """An open file, and the open folder that it is in."""

    source: IO[bytes]
    folder: int
    name: str

    def copy(self, out: WriteStream, size: int) -> None:
        """Copy just ``size`` bytes.

        Raises:
            ValueError: The file has fewer by now.
        """
        while size:
            piece = self.source.read(min(size, _PIECE_BYTES))
            if not piece:
                raise ValueError(f"lost {size:,} bytes while it was read")
            out.write(piece)
            size -= len(piece)

    def unlink(self) -> None:
        """Remove the file."""
        os.unlink(self.name, dir_fd=self.folder)


@contextmanager
def laid(root: Path, name: PurePosixPath, size: int) -> Iterator[Laid]:
    """Open the file ``name`` of ``size`` bytes below ``root``.

    Raises:
        ValueError: It leads elsewhere, is missing or no file of that size; the message says which.
    """
    if name.is_absolute() or not name.parts or ".." in name.parts or "\0" in str(name):
        raise ValueError("is no path below the folder that it was to be written to")
    with _folder(root, name.parent.parts) as folder:
        handle = _opened(name.name, _FILE, folder)
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
            os.close(handle)
            raise ValueError(f"is no file of {size:,} bytes")
        with os.fdopen(handle, "rb") as source:
            yield Laid(source, folder, name.name)


@contextmanager
def _folder(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    folder = os.open(root, _FOLDER)
    try:
        for part in parts:
            inner = _opened(part, _FOLDER, folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _opened(name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise ValueError(f"cannot be opened, and no link is followed: {error.strerror}") from error


def measure(root: Path, limit: int) -> bool:
    """Tell whether what lies in a folder is at most ``limit`` bytes, and as few and as flat as a writer needs."""
    try:
        return limit >= 0 and _measured(root, limit)
    except OSError:  # a folder that may not be read, a path longer than the system takes
        return False


def _measured(root: Path, limit: int) -> bool:
    size, entries, folders = 0, 0, [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        for entry in _entries(folder):
            facts = _facts(entry)
            entries += 1
            size += max(facts.st_size, facts.st_blocks * 512) if facts else 0
            if size > limit or entries > _MOST_ENTRIES or depth > _DEEPEST:
                return False
            if facts and stat.S_ISDIR(facts.st_mode):
                folders.append((Path(entry.path), depth + 1))
    return True


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(itertools.islice(entries, _MOST_ENTRIES + 1))
    except (FileNotFoundError, NotADirectoryError):  # it went meanwhile
        return []


def _facts(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def clear(root: Path) -> None:
    """Remove a folder that nobody changes any more, however deep it is; a link in it is removed, not followed.

    Folders are brought up to ``root`` first: a path may become longer than the system takes.
    """
    folders = [root]
    while folders:
        folder = folders.pop()
        folder.chmod(0o700)
        with os.scandir(folder) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    up = root / uuid.uuid4().hex
                    Path(entry.path).rename(up)
                    folders.append(up)
                else:
                    Path(entry.path).unlink()
        if folder != root:
            folder.rmdir()
    root.rmdir()
