"""Buckets of S3 and Google Cloud Storage, by obstore."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from datetime import timezone
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import obstore
from obstore import exceptions as errors

from dativo_dagster.config.connection import gcs_settings, s3_settings
from dativo_dagster.storage._refusals import refusals
from dativo_dagster.storage._stores import gcs_store, s3_store
from dativo_dagster.storage._streams import ObjectWriter, RangeReader
from dativo_dagster.storage.base import FileInfo, LargerError, Storage, WriteStream, changed
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import GCSStore, S3Store

BUFFER_BYTES = 256 * 1024


def open_bucket(uri: str, options: Mapping[str, Any]) -> Storage:
    """Open the bucket that ``uri`` names."""
    scheme, name = urlsplit(uri).scheme, urlsplit(uri).netloc
    if scheme in {"s3", "s3a"}:
        return Bucket("s3", name, s3_store(name, s3_settings(options)))
    return Bucket("gs", name, gcs_store(name, gcs_settings(options)))


class Bucket(Storage):
    """One bucket of S3 or of Google Cloud Storage."""

    def __init__(self, scheme: str, bucket: str, store: S3Store | GCSStore) -> None:
        self.scheme, self.bucket, self.store = scheme, bucket, store

    def list(self, prefix: str) -> Iterator[FileInfo]:
        with refusals(prefix):
            for page in obstore.list(self.store, self._key(prefix) or None, chunk_size=1000):
                yield from (self._info(meta) for meta in page)

    def find(self, path: str) -> FileInfo | None:
        with refusals(path):
            try:
                return self._info(obstore.head(self.store, self._key(path)))
            except FileNotFoundError:
                # A missing bucket looks the same to a head request; listing tells them apart.
                next(iter(obstore.list(self.store, self._key(path), chunk_size=1)), None)
                return None

    def read_if_there(self, path: str, most: int) -> bytes | None:
        with refusals(path):
            try:
                found = obstore.get(self.store, self._key(path))
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
            if found.meta["size"] > most:
                raise LargerError(found.meta["size"])
            return bytes(found.bytes())

    def read_range(self, path: str, start: int, length: int, *, etag: str | None = None) -> bytes:
        pin = {} if etag is None else self._pin(path, etag)[1]
        return self._range(path, start, length, pin)

    def open_read(self, path: str, *, etag: str | None = None) -> IO[bytes]:
        info, pin = self._pin(path, etag)

        def fetch(start: int, length: int) -> bytes:
            return self._range(path, start, length, pin)

        # Buffered, because a raw read may end early and pyarrow takes that for the end of the file.
        return cast("IO[bytes]", io.BufferedReader(RangeReader(fetch, info.size), BUFFER_BYTES))

    def _pin(self, path: str, etag: str | None) -> tuple[FileInfo, dict[str, Any]]:
        """Give what makes later reads fail once the object is another: its ETag, on Google its generation."""
        with refusals(path):
            meta = obstore.head(self.store, self._key(path))
        info = self._info(meta)
        if etag is not None and info.etag != etag:
            raise changed(path)
        return info, {"version": meta["version"]} if self.scheme == "gs" else {"if_match": f'"{info.etag}"'}

    def _range(self, path: str, start: int, length: int, pin: Mapping[str, Any]) -> bytes:
        options: Any = {"range": (start, start + length), **pin}
        with refusals(path):
            try:
                return bytes(obstore.get(self.store, self._key(path), options=options).bytes())
            except FileNotFoundError as error:
                if not pin:
                    raise
                raise changed(path) from error

    def open_write(self, path: str) -> WriteStream:
        return ObjectWriter(self.store, self._key(path), path)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        return self._put(path, data, "create")

    def put_if_match(self, path: str, data: bytes, etag: str) -> bool:
        if self.scheme == "s3":
            return self._put(path, data, {"e_tag": f'"{etag}"'})
        # Google's condition is on the generation, which a listing does not have.
        with refusals(path):
            try:
                now = obstore.head(self.store, self._key(path))
            except FileNotFoundError:
                return False
        return self._info(now).etag == etag and self._put(path, data, {"version": now["version"]})

    def delete(self, path: str) -> None:
        with refusals(path), contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, self._key(path))

    def _put(self, path: str, data: bytes, mode: Any) -> bool:
        with refusals(path):
            try:
                obstore.put(self.store, self._key(path), data, mode=mode, use_multipart=False)
            except (errors.AlreadyExistsError, errors.PreconditionError, FileNotFoundError):
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
        return FileInfo(
            path=f"{self.scheme}://{self.bucket}/{meta['path']}",
            size=meta["size"],
            modified=meta["last_modified"].astimezone(timezone.utc),
            etag=(meta["e_tag"] or "").strip('"'),
        )
