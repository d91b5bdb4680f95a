"""The local disk as a store. Files appear whole: they are written beside their name and renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, cast

from dativo_dagster.storage.base import FileInfo, Storage, WriteStream, changed, local_path, local_uri, not_found
from dativo_ingest.exceptions import AuthenticationError, ConfigurationError
from dativo_ingest.exceptions import ConnectionError as StorageError


class Disk(Storage):
    def list(self, prefix: str) -> Iterator[FileInfo]:
        return (found for name, found in self._walk(prefix) if not name.startswith(_DiskWriter.PREFIX))

    def unfinished(self, prefix: str) -> Iterator[FileInfo]:
        return (found for name, found in self._walk(prefix) if name.startswith(_DiskWriter.PREFIX))

    def _walk(self, prefix: str) -> Iterator[tuple[str, FileInfo]]:
        for folder, _, names in os.walk(local_path(prefix)):
            for name in names:
                if found := self.find(str(Path(folder, name))):
                    yield name, found

    def find(self, path: str) -> FileInfo | None:
        local = local_path(path)
        with _disk_errors(path):
            try:
                facts = local.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            if local.is_dir():
                return None
            return FileInfo(
                path=local_uri(local),
                size=facts.st_size,
                modified=datetime.fromtimestamp(facts.st_mtime_ns / 1e9, timezone.utc),
                etag=_tag(facts),
            )

    def read_range(self, path: str, start: int, length: int, *, etag: str | None = None) -> bytes:
        with self.open_read(path, etag=etag) as stream:
            stream.seek(start)
            return stream.read(length)

    def open_read(self, path: str, *, etag: str | None = None) -> IO[bytes]:
        with _disk_errors(path):
            stream = local_path(path).open("rb", buffering=0)
            if etag is not None and _tag(os.fstat(stream.fileno())) != etag:
                stream.close()
                raise changed(path)
            return cast("IO[bytes]", stream)

    def open_write(self, path: str) -> WriteStream:
        with _disk_errors(path):
            return _DiskWriter(local_path(path))

    def put_if_absent(self, path: str, data: bytes) -> bool:
        with _disk_errors(path):
            staged = _DiskWriter(local_path(path))
            staged.write(data)
            return staged.link()

    def put_if_match(self, path: str, data: bytes, etag: str) -> bool:
        local = local_path(path)
        with _disk_errors(path), _locked(local.parent):
            found = self.find(path)
            if found is None or found.etag != etag:
                return False
            self.write(path, data)
            return True

    def delete(self, path: str) -> None:
        with _disk_errors(path):
            local_path(path).unlink(missing_ok=True)


class _DiskWriter(WriteStream):
    """Writes beside the file, under a hidden name, and renames at the end."""

    PREFIX = ".dativo-"

    def __init__(self, target: Path) -> None:
        super().__init__()
        self.target = target
        _make(target.parent)
        handle, name = tempfile.mkstemp(prefix=self.PREFIX, dir=target.parent)
        os.fchmod(handle, 0o666 & ~_UMASK)
        self.staged = Path(name)
        self.file = os.fdopen(handle, "wb", buffering=1024 * 1024)

    def write(self, data: Any) -> int:
        return self.file.write(data)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        if not self.closed:
            self._sync()
            self.staged.replace(self.target)
            super().close()

    def link(self) -> bool:
        """Close without replacing: False when the target exists."""
        self._sync()
        super().close()
        try:
            os.link(self.staged, self.target)
        except FileExistsError:
            return False
        finally:
            self.staged.unlink()
        return True

    def abort(self) -> None:
        if not self.closed:
            self.file.close()
            self.staged.unlink(missing_ok=True)
            super().close()

    def __del__(self) -> None:
        """Do not publish what nobody closed; there is no file yet when the folder could not be made."""
        if hasattr(self, "file"):
            self.abort()

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        message = f"{there} is no folder, and {folder} is to be one. Correct the path, or move away what is there"
        raise ConfigurationError(message, "NOT_A_FOLDER") from error


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


_UMASK = _umask()


def _tag(facts: os.stat_result) -> str:
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    _make(folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_errors(path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise not_found(path) from error
    except IsADirectoryError as error:
        raise ConfigurationError(
            f"{path} is a folder, not a file; name its files, or use a glob", "NOT_A_FILE"
        ) from error
    except PermissionError as error:
        raise AuthenticationError(
            f"{path}: this process may not use it ({error.strerror}); check owner and mode", "ACCESS_DENIED"
        ) from error
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise StorageError(f"{path}: {error.strerror}", "STORAGE_FULL" if full else None) from error
