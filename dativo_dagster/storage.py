"""Files on the local disk, S3 and Google Cloud Storage behind one small set of verbs.

The only module that imports obstore. Connectors, tables and formats get a `Storage`; paths in and out are absolute
URIs (``file:///…``, ``s3://bucket/…``, ``gs://bucket/…``), and a plain path means a local file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import itertools
import os
import queue
import re
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import obstore
from obstore import exceptions as refusals
from obstore.store import GCSStore, S3Store

from dativo_dagster.config.connection import GcsSettings, S3Settings, gcs_settings, s3_settings
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the kept public name
    DativoError,
    TransientError,
)

if TYPE_CHECKING:
    from types import TracebackType

    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

RANGE_BYTES = 8 * 1024 * 1024
PART_BYTES = 16 * 1024 * 1024
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """One file as a store lists it.

    ``path`` is an absolute URI, ``modified`` an aware UTC time. ``etag`` changes whenever the content may have: the
    ETag on S3, the generation on Google Cloud Storage, inode and time of change on disk.
    """

    path: str
    size: int
    modified: datetime
    etag: str


class Storage(ABC):
    """One bucket, or the local disk. Paths are absolute URIs of that bucket."""

    @staticmethod
    def open(uri: str, options: Mapping[str, Any] | None = None) -> Storage:
        """Open the store that ``uri`` lies in; ``options`` is the `connection` of the source or target.

        Raises:
            ConfigurationError: The scheme is unknown, there is no bucket, or the options contradict themselves.
        """
        scheme, bucket = urlsplit(uri).scheme if "://" in uri else "", urlsplit(uri).netloc
        if scheme in {"", "file"}:
            return _Disk()
        if scheme not in {"s3", "s3a", "gs", "gcs"}:
            raise ConfigurationError(
                f"{uri}: storage {scheme!r} is unknown; use a local path, s3:// or gs://", "UNKNOWN_STORAGE"
            )
        if not bucket:
            raise ConfigurationError(f"{uri}: the bucket is missing", "UNKNOWN_STORAGE")
        if scheme in {"s3", "s3a"}:
            return _Bucket("s3", bucket, _s3_store(bucket, s3_settings(options or {})))
        return _Bucket("gs", bucket, _gcs_store(bucket, gcs_settings(options or {})))

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
        """Write a file unless it exists; of many at once exactly one is told True."""

    @abstractmethod
    def put_if_match(self, path: str, data: bytes, etag: str) -> bool:
        """Replace a file unless its etag is another by now."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is fine."""

    def stat(self, path: str) -> FileInfo:
        """Give what is known of one file.

        Raises:
            ConfigurationError: ``FILE_NOT_FOUND``.
        """
        found = self.find(path)
        if found is None:
            raise _not_found(path)
        return found

    def read(self, path: str) -> bytes:
        """Read a whole, small file."""
        with self.open_read(path) as stream:
            return stream.read()

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


# --- the local disk ---------------------------------------------------------------------------------------------


class _Disk(Storage):
    def list(self, prefix: str) -> Iterator[FileInfo]:
        for folder, _, names in os.walk(local_path(prefix)):
            for name in names:
                if not name.startswith(_DiskWriter.PREFIX) and (found := self.find(str(Path(folder, name)))):
                    yield found

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
                path=_uri(local),
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
        target.parent.mkdir(parents=True, exist_ok=True)
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


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


_UMASK = _umask()


def local_path(path: str) -> Path:
    """Give a local path or a ``file:`` URI as an absolute path of this machine."""
    if path.startswith("file:"):
        return Path(path.removeprefix("file://").removeprefix("file:"))
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and a link's name is its name


def _uri(local: Path) -> str:
    # Not percent-encoded: pyiceberg takes what follows the scheme as the name itself.
    return f"file://{local}"


def _tag(facts: os.stat_result) -> str:
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
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
        raise _not_found(path) from error
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
        raise ConnectionError(f"{path}: {error.strerror}", "STORAGE_FULL" if full else None) from error


def _not_found(path: str) -> ConfigurationError:
    return ConfigurationError(f"there is no file {path}; check the path and its spelling", "FILE_NOT_FOUND")


def changed(path: str) -> TransientError:
    """Make the error for a file that is not the one that was planned."""
    return TransientError(
        f"{path} changed while it was being read; nothing of it was taken. The next try plans it anew", "FILE_CHANGED"
    )


def _absolute(pattern: str) -> str:
    return pattern if "://" in pattern and not pattern.startswith("file:") else _uri(local_path(pattern))


def _regex(pattern: str) -> str:
    """Translate a glob: ``**/`` is any depth, ``*`` and ``?`` stop at a slash."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(parts.get(t) or (t.replace("[!", "[^") if t[:1] == "[" else re.escape(t)) for t in tokens)


# --- object stores ----------------------------------------------------------------------------------------------


class _Bucket(Storage):
    def __init__(self, scheme: str, bucket: str, store: S3Store | GCSStore) -> None:
        self.scheme, self.bucket, self.store = scheme, bucket, store

    def list(self, prefix: str) -> Iterator[FileInfo]:
        with _refusals(prefix):
            for page in obstore.list(self.store, self._key(prefix) or None, chunk_size=1000):
                yield from (self._info(meta) for meta in page)

    def find(self, path: str) -> FileInfo | None:
        with _refusals(path):
            try:
                return self._info(obstore.head(self.store, self._key(path)))
            except FileNotFoundError:
                # A missing bucket looks the same to a head request; listing tells them apart.
                next(iter(obstore.list(self.store, self._key(path), chunk_size=1)), None)
                return None

    def read_range(self, path: str, start: int, length: int, *, etag: str | None = None) -> bytes:
        options: Any = {"range": (start, start + length)}
        if etag is not None and self.scheme == "s3":
            options["if_match"] = etag
        elif etag is not None:
            options["version"] = etag
        with _refusals(path):
            return bytes(obstore.get(self.store, self._key(path), options=options).bytes())

    def open_read(self, path: str, *, etag: str | None = None) -> IO[bytes]:
        info = self.stat(path)
        if etag is not None and info.etag != etag:
            raise changed(path)
        return cast("IO[bytes]", _RangeReader(self, info))

    def open_write(self, path: str) -> WriteStream:
        return _ObjectWriter(self.store, self._key(path), path)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        return self._put(path, data, "create")

    def put_if_match(self, path: str, data: bytes, etag: str) -> bool:
        return self._put(path, data, {"e_tag": etag} if self.scheme == "s3" else {"version": etag})

    def delete(self, path: str) -> None:
        with _refusals(path), contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, self._key(path))

    def _put(self, path: str, data: bytes, mode: Any) -> bool:
        with _refusals(path):
            try:
                obstore.put(self.store, self._key(path), data, mode=mode, use_multipart=False)
            except (refusals.AlreadyExistsError, refusals.PreconditionError, FileNotFoundError):
                return False
            return True

    def _key(self, path: str) -> str:
        if "://" not in path:
            return path.strip("/")
        _, _, rest = path.partition("://")
        bucket, _, key = rest.partition("/")
        if bucket != self.bucket:
            raise ConfigurationError(f"{path} is not in the bucket {self.bucket!r} that was opened", "UNKNOWN_STORAGE")
        return key.strip("/")

    def _info(self, meta: ObjectMeta) -> FileInfo:
        tag = meta["version"] if self.scheme == "gs" else meta["e_tag"]
        return FileInfo(
            path=f"{self.scheme}://{self.bucket}/{meta['path']}",
            size=meta["size"],
            modified=meta["last_modified"].astimezone(timezone.utc),
            etag=tag or meta["e_tag"] or "",
        )


class _RangeReader(io.RawIOBase):
    """Reads by ranges, one ahead: each is retried by itself and no request lives as long as the file."""

    def __init__(self, bucket: _Bucket, info: FileInfo) -> None:
        super().__init__()
        self.bucket, self.info, self.at = bucket, info, 0
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="range")
        self.chunks: dict[int, Future[bytes]] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.info.size}[whence]
        return self.at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self.at >= self.info.size or not len(view):
            return 0
        index, skip = divmod(self.at, RANGE_BYTES)
        chunk = self._chunk(index)
        part = memoryview(chunk)[skip : skip + len(view)]
        view[: len(part)] = part
        self.at += len(part)
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.chunks.clear()
        super().close()

    def _chunk(self, index: int) -> bytes:
        ahead = (index + 1) * RANGE_BYTES < self.info.size
        wanted = [index, index + 1] if ahead else [index]
        for at in wanted:
            if at not in self.chunks:
                self.chunks[at] = self.pool.submit(self._fetch, at)
        for at in [a for a in self.chunks if a not in wanted]:
            self.chunks.pop(at).cancel()
        return self.chunks[index].result()

    def _fetch(self, index: int) -> bytes:
        start = index * RANGE_BYTES
        length = min(RANGE_BYTES, self.info.size - start)
        return self.bucket.read_range(self.info.path, start, length, etag=self.info.etag)


class _Aborted(Exception):  # noqa: N818 - a signal to our own upload, not an error of anybody's
    """The writer gave up; makes the store drop the parts it has."""


class _ObjectWriter(WriteStream):
    """Hands parts to one upload in a thread. The store shows nothing before the upload ends well."""

    def __init__(self, store: S3Store | GCSStore, key: str, path: str) -> None:
        super().__init__()
        self.path, self.at, self.buffer = path, 0, bytearray()
        self.parts: queue.Queue[bytes | None] = queue.Queue(2)
        self.aborted = threading.Event()
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="upload")
        self.upload = self.pool.submit(self._run, store, key)

    def tell(self) -> int:
        return self.at

    def write(self, data: Any) -> int:
        size = len(memoryview(data).cast("B"))
        self.buffer += data
        self.at += size
        if len(self.buffer) >= PART_BYTES:
            self._hand_over(bytes(self.buffer))
            self.buffer = bytearray()
        return size

    def close(self) -> None:
        if self.closed:
            return
        if self.buffer or not self.at:
            self._hand_over(bytes(self.buffer))
        self._hand_over(None)
        super().close()
        self.pool.shutdown(wait=True)
        with _refusals(self.path):
            self.upload.result()

    def abort(self) -> None:
        if not self.closed:
            super().close()
            self.aborted.set()
            with contextlib.suppress(queue.Full):
                self.parts.put_nowait(None)
            self.pool.shutdown(wait=True)

    def __del__(self) -> None:
        """Do not publish what nobody closed."""
        self.abort()

    def _hand_over(self, part: bytes | None) -> None:
        while not self.upload.done():
            with contextlib.suppress(queue.Full):
                self.parts.put(part, timeout=0.2)
                return
        with _refusals(self.path):
            self.upload.result()

    def _run(self, store: S3Store | GCSStore, key: str) -> None:
        obstore.put(store, key, self._feed(), chunk_size=PART_BYTES, max_concurrency=2)

    def _feed(self) -> Iterator[bytes]:
        while (part := self.parts.get()) is not None:
            if self.aborted.is_set():
                break
            yield part
        if self.aborted.is_set():
            raise _Aborted


def _client(endpoint: str | None) -> ClientConfig:
    return {
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=60),
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
        "user_agent": "dativo",
    }


_RETRY: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}


def _s3_store(bucket: str, s3: S3Settings) -> S3Store:
    found: dict[str, Any] = {
        "endpoint": s3.endpoint,
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
        "session_token": s3.session_token,
        "region": s3.region,
        "virtual_hosted_style_request": not s3.path_style,
        "skip_signature": s3.anonymous or None,
    }
    chain = None
    if not s3.access_key_id and not s3.anonymous:
        chain = _aws_chain
    config: Any = {k: v for k, v in found.items() if v is not None}
    return S3Store(
        bucket, config=config, client_options=_client(s3.endpoint), retry_config=_RETRY, credential_provider=chain
    )


def _aws_chain() -> Any:
    """Ask boto3's ordinary chain: environment, profile, container, instance role."""
    import boto3

    found = boto3.session.Session().get_credentials()
    if found is None:
        raise AuthenticationError(
            "no AWS credentials: give access_key_id and secret_access_key in the connection, set AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, use a profile or a role, or say `anonymous: true`",
            "NO_CREDENTIALS",
        )
    keys = found.get_frozen_credentials()
    return {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.token,
        "expires_at": datetime.now(timezone.utc) + timedelta(minutes=10),
    }


def _gcs_store(bucket: str, gcs: GcsSettings) -> GCSStore:
    config: Any = {"skip_signature": True} if gcs.anonymous else {}
    if gcs.credentials_path:
        config["service_account"] = gcs.credentials_path
    if gcs.endpoint:
        config["base_url"] = gcs.endpoint
    return GCSStore(bucket, config=config, client_options=_client(gcs.endpoint), retry_config=_RETRY)


@contextlib.contextmanager
def _refusals(path: str) -> Iterator[None]:
    """Turn what a store says into our errors."""
    try:
        yield
    except DativoError:
        raise
    except FileNotFoundError as error:
        raise _missing(path, str(error)) from error
    except refusals.PreconditionError as error:
        raise changed(path) from error
    except (refusals.PermissionDeniedError, refusals.UnauthenticatedError) as error:
        raise AuthenticationError(
            f"{path}: the store refused the credentials or the permission ({_short(error)})", "ACCESS_DENIED"
        ) from error
    except refusals.BaseError as error:
        raise _unreachable(path, error) from error


def _missing(path: str, answer: str) -> ConfigurationError:
    if "NoSuchBucket" in answer:
        bucket = urlsplit(path).netloc
        return ConfigurationError(
            f"{path}: there is no bucket {bucket!r}; create it or correct its name", "BUCKET_NOT_FOUND"
        )
    return _not_found(path)


def _unreachable(path: str, error: Exception) -> DativoError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, DativoError):
        return cause
    text = str(error)
    if "NoSuchBucket" in text:
        return _missing(path, text)
    return ConnectionError(f"{path}: the store cannot be reached or failed ({_short(error)})", "STORAGE_UNREACHABLE")


def _short(error: Exception) -> str:
    """Keep the first line: below it are the layers of the client."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(itertools.islice(lines, 1))[:300]
