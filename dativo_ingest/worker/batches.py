"""Record batches on the wire: each is an Arrow IPC stream of its own, so that schemas may differ from batch to batch.

Nothing is copied on the way out: the parts are the batch's own buffers, handed to the socket one by one. Only views of
a batch that goes in pieces are, as each piece would have the buffers of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dativo_ingest.worker.compact import compacted
from dativo_ingest.worker.messages import packed
from dativo_ingest.worker.unpacked import LARGEST_BYTES, unpacked_bytes

PIECE_BYTES = 64 * 1024 * 1024
"""A batch that is larger goes in pieces, so that the receiver's memory is bounded whatever a plugin gives."""
_UNPACKED_BYTES = LARGEST_BYTES // 2  # so does one whose rows would take more, as rows differ in size


class SwollenError(ValueError):
    """What is Arrow, and would take more memory here than was sent and than it may."""


def to_parts(batch: Any) -> Iterator[list[Any]]:
    """Yield a batch as payloads, each a list of buffers; more than one when it is large."""
    import pyarrow as pa

    if not isinstance(batch, pa.RecordBatch):
        batch = pa.record_batch(batch)
    for piece in _pieces(batch):
        sink = _Parts()
        with pa.ipc.new_stream(pa.PythonFile(sink, "w"), piece.schema) as writer:
            writer.write_batch(piece)
        yield sink.parts


def from_payload(payload: Any, *, full: bool = False) -> Any:
    """Give the batch; its columns lie in the payload's memory.

    Args:
        payload: What `to_parts` made, or what a plugin that plays the worker says that it is.
        full: Whether each value is looked at: an offset that leads out of the payload shows memory of this process.

    Raises:
        ValueError: It is no batch of valid Arrow, or more than one.
        SwollenError: As `batches_in` has it.
    """
    import pyarrow as pa

    try:
        if full:
            (batch,) = batches_in(payload)
        else:
            batch = pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch()
            batch.validate()
    except (pa.ArrowException, OSError, StopIteration, TypeError) as error:
        raise ValueError(str(error)) from error
    return batch


def batches_in(streams: Any) -> Iterator[Any]:
    """Yield the batches of streams that lie one behind the other, of which nothing is believed.

    Raises:
        ValueError: It is no Arrow, or its values are not valid: an offset that leads out of it shows memory of ours.
        SwollenError: A buffer is compressed, whatever it says that it becomes, or the rows of a batch would take more
            than `unpacked.LARGEST_BYTES`.
    """
    import pyarrow as pa

    try:
        buffer = pa.py_buffer(streams)
        if packed(buffer):
            raise SwollenError("it is compressed")
        source = pa.BufferReader(buffer)
        while source.tell() < source.size():
            for batch in pa.ipc.open_stream(source):
                batch.validate(full=True)
                if (size := unpacked_bytes(batch)) > LARGEST_BYTES:
                    what = f"its {batch.num_rows:,} rows would take {size:,} bytes, of which {LARGEST_BYTES:,} may be"
                    raise SwollenError(f"{what}; make smaller batches")
                yield batch
    except (pa.ArrowException, OSError, TypeError) as error:
        raise ValueError(str(error)) from error


def allocate(size: int) -> Any:
    """Give memory for a payload from Arrow's pool, which keeps and reuses it."""
    if size < 64 * 1024:
        return bytearray(size)
    import pyarrow as pa

    return pa.allocate_buffer(size)


def _pieces(batch: Any) -> Iterator[Any]:
    size = max(batch.nbytes, unpacked_bytes(batch) * PIECE_BYTES // _UNPACKED_BYTES)
    if size <= PIECE_BYTES:
        yield batch
        return
    rows = max(1, batch.num_rows * PIECE_BYTES // size)
    for start in range(0, max(1, batch.num_rows), rows):
        yield compacted(batch.slice(start, rows))


class _Parts:
    """A file that keeps what is written to it as it is."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.size = 0

    def write(self, part: Any) -> int:
        self.parts.append(part)
        self.size += len(part)
        return len(part)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """There is nothing to flush."""

    def close(self) -> None:
        """There is nothing to close."""
