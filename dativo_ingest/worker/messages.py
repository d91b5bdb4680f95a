"""Whether streams of Arrow IPC unpack into more than was sent: one megabyte may become a thousand. None of ours does.

A message is a table of flatbuffers whose ``header`` is a `RecordBatch` or holds one; that has `compression` or not:
https://github.com/apache/arrow/blob/main/format/Message.fbs
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_KIND, _HEADER = 1, 2  # fields of Message
_DICTIONARY, _BATCH = 2, 3  # kinds of header
_DATA = 1  # the field of DictionaryBatch that is a RecordBatch
_COMPRESSION = 3  # a field of RecordBatch


def packed(streams: pa.Buffer) -> bool:
    """Tell whether a message of the streams, which lie one behind the other, has compressed buffers.

    Raises:
        ValueError: A message is none.
    """
    import pyarrow as pa

    try:
        return any(_compressed(bytes(message.metadata)) for message in _messages(pa.BufferReader(streams)))
    except (struct.error, pa.ArrowException, OSError) as error:
        raise ValueError(f"a message of it is none: {error}") from error


def _messages(source: pa.BufferReader) -> Iterator[pa.ipc.Message]:
    import pyarrow as pa

    while source.tell() < source.size():
        yield from pa.ipc.MessageReader.open_stream(source)


def _compressed(message: bytes) -> bool:
    root = _number("<I", message, 0)
    kind, header = _field(message, root, _KIND), _field(message, root, _HEADER)
    if not kind or not header or message[kind] not in {_DICTIONARY, _BATCH}:
        return False
    table = _behind(message, header)
    if message[kind] == _DICTIONARY:
        data = _field(message, table, _DATA)
        table = _behind(message, data) if data else table
    return _field(message, table, _COMPRESSION) != 0


def _field(message: bytes, table: int, number: int) -> int:
    """Give where a field of a table lies; 0 where the table has none."""
    fields = table - _number("<i", message, table)
    slot = 4 + 2 * number
    offset = _number("<H", message, fields + slot) if slot < _number("<H", message, fields) else 0
    return table + offset if offset else 0


def _behind(message: bytes, place: int) -> int:
    return place + _number("<I", message, place)


def _number(kind: str, message: bytes, place: int) -> int:
    if place < 0:
        raise struct.error("it leads before its beginning")
    found: int = struct.unpack_from(kind, message, place)[0]
    return found
