"""Frames: what a host and a worker say to each other, as bytes. Knows neither sockets nor verbs.

A frame is a head of 16 bytes, a JSON object and a payload that may be empty::

    "DTV1" | length of the JSON: uint32 | length of the payload: uint64 | JSON, UTF-8 | payload

all little-endian. The JSON says in ``op`` what the frame is (see `dativo_ingest.worker`), the payload is an Arrow IPC
stream with one batch. Both lengths are bounded, so that bytes which are no frame are told as such; what is only said to
come is never allocated (`worker.channel`).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker.texts import parse

MAX_HEADER_BYTES = 64 * 1024 * 1024
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024 * 1024

_MAGIC = b"DTV1"
_HEAD = struct.Struct("<4sIQ")


@dataclass(frozen=True)
class Frame:
    """One message; ``payload`` is anything with the buffer protocol, None when it is empty."""

    header: Mapping[str, Any]
    payload: Any = None

    @property
    def op(self) -> str:
        """Say what the frame is."""
        return str(self.header.get("op"))


def encode(header: Mapping[str, Any], parts: Sequence[Any] = ()) -> list[Any]:
    """Give a frame as buffers to be sent one after the other; the payload's ``parts`` are not copied."""
    text = json.dumps(header, separators=(",", ":")).encode()
    size = sum(len(part) for part in parts)
    if len(text) > MAX_HEADER_BYTES or size > MAX_PAYLOAD_BYTES:
        raise _broken(f"a frame of {len(text):,} + {size:,} bytes is beyond what goes over the wire")
    return [_HEAD.pack(_MAGIC, len(text), size) + text, *parts]


def decode(read: Callable[[int], Any], most: int = MAX_PAYLOAD_BYTES) -> Frame | None:
    """Take one frame; None when the stream ends before it.

    Args:
        read: Gives the next n bytes as a buffer, fewer only at the end of the stream.
        most: Bytes that the payload may have.

    Raises:
        SandboxError: The bytes are no frame, or end inside of one.
    """
    head = read(_HEAD.size)
    if not len(head):
        return None
    magic, text_size, payload_size = _HEAD.unpack(_whole(head, _HEAD.size))
    if magic != _MAGIC or text_size > MAX_HEADER_BYTES or payload_size > most:
        raise _broken(
            "bytes arrived that are no frame; does the plugin write to file descriptors that are not its own?"
        )
    header = _header(bytes(_whole(read(text_size), text_size)))
    return Frame(header, _whole(read(payload_size), payload_size) if payload_size else None)


def _header(text: bytes) -> Mapping[str, Any]:
    try:
        header = parse(text)
    except (ValueError, RecursionError) as error:
        raise _broken("the header of a frame is no JSON, or far too much of it") from error
    if not isinstance(header, dict):
        raise _broken("the header of a frame is no JSON object")
    return header


def _whole(data: Any, size: int) -> Any:
    if len(data) < size:
        raise _broken(f"the stream ended inside a frame, after {len(data):,} of {size:,} bytes")
    return data


def _broken(what: str) -> SandboxError:
    return SandboxError(f"the connection to a worker is broken: {what}", "WIRE_BROKEN", retryable=False)
