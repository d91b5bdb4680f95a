"""Compressed files as plain byte streams: gzip (any number of members) and zstd (any number of frames).

A truncated or damaged archive is an error, never an early end of the data.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import IO, Any, Literal, cast

import pyarrow as pa

from dativo_ingest.exceptions import ConfigurationError

Compression = Literal["none", "gzip", "zstd"]
_SUFFIXES: dict[str, Compression] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_BUFFER_BYTES = 1024 * 1024


def compression_of(name: str) -> Compression:
    """Tell the compression by the file's name."""
    lower = name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if lower.endswith(suffix)), "none")


def without_suffix(name: str) -> str:
    """Give the name that the file has once unpacked."""
    lower = name.lower()
    return next((name[: -len(suffix)] for suffix in _SUFFIXES if lower.endswith(suffix)), name)


def unpack(stream: IO[bytes], name: str, compression: Compression | None = None) -> IO[bytes]:
    """Give the plain bytes of ``stream``; the compression is told by the name when it is not given."""
    kind = compression or compression_of(name)
    if kind == "none":
        return stream
    inner = gzip.GzipFile(fileobj=stream) if kind == "gzip" else pa.CompressedInputStream(stream, "zstd")
    return cast("IO[bytes]", io.BufferedReader(_Unpacked(stream, inner, name, kind), _BUFFER_BYTES))


class _Unpacked(io.RawIOBase):
    """Names the file when its archive is broken."""

    def __init__(self, packed: IO[bytes], inner: Any, name: str, kind: Compression) -> None:
        super().__init__()
        self.packed, self.inner, self.name, self.kind, self.at = packed, inner, name, kind, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.inner.read(len(buffer))
        except (EOFError, zlib.error, OSError, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ConfigurationError(
                f"{self.name}: broken {self.kind} archive after {self.at:,} unpacked bytes ({error}); it is damaged, "
                "cut short, or not compressed at all (then say `compression: none`)",
                "BROKEN_ARCHIVE",
            ) from error
        if not data and not self.at and not self.packed.tell():
            raise ConfigurationError(f"{self.name}: 0 bytes are no {self.kind} archive", "BROKEN_ARCHIVE")
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)
