"""Rows of MySQL's text protocol as Arrow columns, without a step in Python for each value.

After the columns' definitions the server sends each row as a packet: three bytes of length, a counting byte, then
every value as a length and its text, or the byte 251 for NULL. Python only walks from packet to packet; where the
values lie in a block of rows is found column by column with numpy, and Arrow copies them.

Format: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dativo_dagster.connectors.sql.my_errors import BrokenProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 4 * 1024 * 1024
_READ_BYTES = 256 * 1024
_HEADER_BYTES = 4
_LONGEST_PACKET = 0xFFFFFF  # a longer row goes on in the next packet
_NULL, _ERROR, _END = 0xFB, 0xFF, 0xFE
_END_BYTES = 9  # an end is shorter; a row that starts like one is longer than a packet
_LENGTH_BYTES = 8  # behind the data, so that a length that is cut off is found to be too long, not beyond all memory
_WIDE = {0xFC: 2, 0xFD: 3, 0xFE: 8}  # bytes of a length that does not fit into one


class ServerSaidError(Exception):
    """The server ended the rows with an error; ``packet`` is its own."""

    def __init__(self, packet: bytes) -> None:
        super().__init__("the server ended the rows with an error")
        self.packet = packet


def blocks(read: Callable[[int], bytes], columns: int) -> Iterator[list[pa.Array]]:
    """Yield the rows that a stream has, in blocks of binary columns.

    Args:
        read: Gives at most so many bytes as soon as there are some; none when the line is closed.
        columns: How many values a row has.

    Raises:
        ServerSaidError: The server could not go on.
        BrokenProtocolError: The line was closed too early, or what came is no row.
    """
    data, starts, at, over = bytearray(), list[int](), 0, False
    while not over:
        more = read(_READ_BYTES)
        if not more:
            raise BrokenProtocolError("the line was closed in the middle of the rows")
        data += more
        at = _walk(data, at, starts)
        over = bool(starts) and _is_last(data, starts, at)
        if starts and (over or at >= BLOCK_BYTES):
            yield split(bytes(memoryview(data)[:at]), starts, columns)
        if at >= BLOCK_BYTES:
            del data[:at]
            starts.clear()
            at = 0


def split(data: bytes, starts: Sequence[int], columns: int) -> list[pa.Array]:
    """Give the columns of the rows in ``data``, whose values begin at ``starts``.

    Raises:
        BrokenProtocolError: A row has fewer or more values.
    """
    raw, at = np.frombuffer(data + bytes(_LENGTH_BYTES), np.uint8), np.array(starts, np.int64)
    ends = np.append(at[1:] - _HEADER_BYTES, len(data))
    found = []
    for _ in range(columns):
        if (at >= ends).any():
            raise BrokenProtocolError("a row has fewer values than there are columns")
        size, head, null = _sizes(raw, at)
        start, at = at + head, at + head + size
        if (at > ends).any() or (at < start).any():
            raise BrokenProtocolError("a value is longer than its row")
        found.append(_column(data, start, at, null))
    if (at != ends).any():
        raise BrokenProtocolError("a row has more values than there are columns")
    return found


def _walk(data: bytearray, at: int, starts: list[int]) -> int:
    """Note where each whole row from ``at`` on begins; give where the first that is not whole does."""
    have = len(data)
    while at + _HEADER_BYTES <= have:
        size = data[at] | data[at + 1] << 8 | data[at + 2] << 16
        if size == _LONGEST_PACKET:
            size = _joined(data, at)
            have = len(data)
        after = at + _HEADER_BYTES + size
        if after > have:
            break
        starts.append(at + _HEADER_BYTES)
        at = after
    return at


def _joined(data: bytearray, at: int) -> int:
    """Take out the headers inside of a row that is longer than a packet; give its length.

    Nothing is taken out before the whole row is there: the walk comes by again.
    """
    sizes, place = [_LONGEST_PACKET], at + _HEADER_BYTES + _LONGEST_PACKET
    while sizes[-1] == _LONGEST_PACKET:
        if place + _HEADER_BYTES > len(data):
            return len(data)  # more than there is
        sizes.append(int.from_bytes(data[place : place + 3], "little"))
        place += _HEADER_BYTES + sizes[-1]
    if place > len(data):
        return len(data)
    inner = at + _HEADER_BYTES
    for size in sizes[:-1]:
        inner += size
        del data[inner : inner + _HEADER_BYTES]
    return sum(sizes)


def _is_last(data: bytearray, starts: list[int], at: int) -> bool:
    """Say whether the last packet ends the rows, and forget it."""
    start = starts[-1]
    if data[start] == _ERROR:
        raise ServerSaidError(bytes(data[start:at]))
    if data[start] != _END or at - start >= _END_BYTES:
        return False
    starts.pop()
    del data[start - _HEADER_BYTES :]
    return True


def _sizes(raw: NDArray[np.uint8], at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64] | int, object]:
    """Read the length of a value in each row; give it, the bytes that say it, and which are NULL."""
    first = raw[at].astype(np.int64)
    if first.max() < _NULL:
        return first, 1, None
    null = first == _NULL
    size, head = np.where(null, 0, first), np.ones(len(at), np.int64)
    for mark, width in _WIDE.items():
        rows = np.flatnonzero(first == mark)
        size[rows] = sum(raw[at[rows] + 1 + n].astype(np.int64) << (8 * n) for n in range(width))
        head[rows] = 1 + width
    return size, head, null if null.any() else None


def _column(data: bytes, start: NDArray[np.int64], end: NDArray[np.int64], null: object) -> pa.Array:
    """Copy the values between the offsets out of a block.

    The block is one Arrow array in which a value and what lies behind it take turns; every second one is taken.
    """
    offsets = np.empty(2 * len(start), np.int32)
    offsets[0::2], offsets[1::2] = start, end
    turns = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    return turns.take(pa.array(np.arange(0, len(offsets), 2), mask=null))
