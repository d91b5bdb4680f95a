"""Text files of any encoding as UTF-8 bytes without a byte order mark; the readers of CSV and JSON call it."""

from __future__ import annotations

import codecs
import io
import struct
from typing import IO, Any, cast

import pyarrow as pa

from dativo_ingest.exceptions import ConfigurationError, ValidationError

_CHUNK_BYTES = 1024 * 1024
# Longest first: the mark of UTF-32-LE starts with the one of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def utf8(stream: IO[bytes], name: str, encoding: str | None = None) -> IO[bytes]:
    """Give the text of ``stream`` in UTF-8.

    A byte order mark decides when there is one, then ``encoding``, then UTF-8. UTF-8 passes unread: its readers
    find wrong bytes themselves, with `check_utf8`.

    Raises:
        ConfigurationError: ``UNKNOWN_ENCODING``.
        ValidationError: ``BAD_ENCODING`` while reading, with line and byte offset.
    """
    if encoding is not None:
        encoding = _codec(encoding, name)
    head = _read_full(stream, 4)
    mark, kind = next(((m, k) for m, k in _MARKS if head.startswith(m)), (b"", encoding or "utf-8"))
    rest = cast("IO[bytes]", _Prefixed(head[len(mark) :], stream))
    if kind in {"utf-8", "ascii"}:
        return rest
    return cast("IO[bytes]", io.BufferedReader(_Transcoder(rest, name, kind, len(mark)), _CHUNK_BYTES))


def check_utf8(data: bytes, name: str, line: int, offset: int) -> None:
    """Refuse bytes that are not UTF-8; ``line`` and ``offset`` say where ``data`` starts.

    The whole block is looked at as one value of Arrow's, which costs a fiftieth of decoding it.
    """
    ends = pa.py_buffer(struct.pack("=ii", 0, len(data)))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(data)]).cast(pa.string())
    except pa.ArrowInvalid:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            wrong = error.start
            raise undecodable(name, "utf-8", line + lines_in(data[:wrong]), offset + wrong, data[wrong]) from error
        raise


def lines_in(data: bytes) -> int:
    r"""Count line ends: ``\n``, ``\r\n`` and a lone ``\r``."""
    ends = data.count(b"\n")
    if b"\r" in data:
        ends += data.count(b"\r") - data.count(b"\r\n")
    return ends


def undecodable(name: str, encoding: str, line: int, offset: int, byte: int) -> ValidationError:
    """Make the error for bytes that are no text; the message has their place and not the text around."""
    return ValidationError(
        f"{name}:{line}: byte {offset:,} (0x{byte:02x}) is not {encoding}; set `encoding` to what the file is in "
        "(latin-1, cp1252, utf-16 …) or mend the file",
        "BAD_ENCODING",
        {"file": name, "line": line, "offset": offset, "encoding": encoding},
    )


def _codec(encoding: str, name: str) -> str:
    try:
        found = codecs.lookup(encoding)
    except LookupError:
        found = None
    if found is None or not found._is_text_encoding:  # noqa: SLF001 - how the standard library tells text codecs
        raise ConfigurationError(
            f"{name}: encoding {encoding!r} is unknown; use a name such as utf-8, utf-16, latin-1 or cp1252",
            "UNKNOWN_ENCODING",
        )
    return "utf-8" if found.name == "utf-8-sig" else found.name


def _read_full(stream: IO[bytes], size: int) -> bytes:
    parts = b""
    while len(parts) < size and (part := stream.read(size - len(parts))):
        parts += part
    return parts


class _Prefixed(io.RawIOBase):
    """A stream with bytes put back in front of it."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        super().__init__()
        self.head, self.stream = head, stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.head:
            head, self.head = self.head[: size if size >= 0 else None], self.head[size:] if size >= 0 else b""
            return head + self.stream.read(size - len(head)) if size >= 0 else head + self.stream.read()
        return self.stream.read(size)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Transcoder(io.RawIOBase):
    def __init__(self, stream: IO[bytes], name: str, encoding: str, offset: int) -> None:
        super().__init__()
        self.stream, self.name, self.encoding = stream, name, encoding
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.offset, self.line, self.ready, self.ended = offset, 1, b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready and not self.ended:
            data = self.stream.read(_CHUNK_BYTES)
            self.ended = not data
            self.ready = self._decode(data)
        part, self.ready = self.ready[: len(buffer)], self.ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _decode(self, data: bytes) -> bytes:
        try:
            text = self.decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            # `object` is what the decoder had kept of earlier reads, then `data`.
            kept = len(error.object) - len(data)
            line = self.line + error.object[: error.start].decode(self.encoding).count("\n")
            at = self.offset - kept + error.start
            raise undecodable(self.name, self.encoding, line, at, error.object[error.start]) from error
        self.offset += len(data)
        self.line += text.count("\n")
        return text.encode()
