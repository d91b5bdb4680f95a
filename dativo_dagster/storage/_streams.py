"""Objects as files: read by ranges, written in parts. For `_bucket`."""

from __future__ import annotations

import contextlib
import io
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import obstore

from dativo_dagster.storage._refusals import refusals
from dativo_dagster.storage.base import WriteStream

if TYPE_CHECKING:
    from obstore.store import GCSStore, S3Store

RANGE_BYTES = 8 * 1024 * 1024
PART_BYTES = 16 * 1024 * 1024


class RangeReader(io.RawIOBase):
    """Reads by ranges, one ahead: each is retried by itself and no request lives as long as the file."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self.fetch, self.size, self.at = fetch, size, 0
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="range")
        self.chunks: dict[int, Future[bytes]] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self.at >= self.size or not len(view):
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
        ahead = (index + 1) * RANGE_BYTES < self.size
        wanted = [index, index + 1] if ahead else [index]
        for at in wanted:
            if at not in self.chunks:
                start = at * RANGE_BYTES
                self.chunks[at] = self.pool.submit(self.fetch, start, min(RANGE_BYTES, self.size - start))
        for at in [a for a in self.chunks if a not in wanted]:
            self.chunks.pop(at).cancel()
        return self.chunks[index].result()


class ObjectWriter(WriteStream):
    """Hands parts to one upload in a thread, or writes at once what fits one part.

    The store shows nothing before the upload ends well, and drops the parts it has when it ends otherwise.
    """

    def __init__(self, store: S3Store | GCSStore, key: str, path: str) -> None:
        super().__init__()
        self.store, self.key, self.path = store, key, path
        self.at, self.buffer = 0, bytearray()
        self.parts: queue.Queue[bytes | None] = queue.Queue(1)
        self.pool: ThreadPoolExecutor | None = None
        self.upload: Future[None] | None = None
        self.aborted = False

    def tell(self) -> int:
        return self.at

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.buffer += data
        self.at += size
        if len(self.buffer) >= PART_BYTES:
            self._hand_over(bytes(self.buffer))
            self.buffer = bytearray()
        return size

    def close(self) -> None:
        if self.closed:
            return
        if self.upload is None:
            with refusals(self.path):
                obstore.put(self.store, self.key, bytes(self.buffer), use_multipart=False)
        else:
            if self.buffer:
                self._hand_over(bytes(self.buffer))
            self._hand_over(None)
            self._ended(self.upload)
        super().close()
        self._stop()

    def abort(self) -> None:
        if self.closed:
            return
        super().close()
        self.aborted = True
        if self.upload is not None:
            with contextlib.suppress(queue.Empty):
                self.parts.get_nowait()
            self.parts.put(None)
            wait([self.upload])
        self._stop()

    def __del__(self) -> None:
        """Do not publish what nobody closed."""
        self.abort()

    def _hand_over(self, part: bytes | None) -> None:
        if self.upload is None:
            self.pool = ThreadPoolExecutor(1, thread_name_prefix="upload")
            self.upload = self.pool.submit(self._run)
        while not self.upload.done():
            with contextlib.suppress(queue.Full):
                self.parts.put(part, timeout=0.1)
                return
        self._ended(self.upload)

    def _ended(self, upload: Future[None]) -> None:
        with refusals(self.path):
            upload.result()

    def _stop(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False)

    def _run(self) -> None:
        obstore.put(self.store, self.key, self._feed(), chunk_size=PART_BYTES, max_concurrency=2)

    def _feed(self) -> Iterator[bytes]:
        while (part := self.parts.get()) is not None:
            yield part
        if self.aborted:
            raise _AbortedError


class _AbortedError(Exception):
    """The writer gave up; makes the store drop the parts that it has."""
