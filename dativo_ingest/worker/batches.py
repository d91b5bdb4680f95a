"""Record batches on the wire: each is an Arrow IPC stream of its own, so that schemas may differ from batch to batch.

Nothing is copied on the way out: the parts are the batch's own buffers, handed to the socket one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dativo_ingest.worker.messages import packed

PIECE_BYTES = 64 * 1024 * 1024
"""A batch that is larger goes in pieces, so that the receiver's memory is bounded whatever a plugin gives."""


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
        ValueError: It is no batch of valid Arrow, or one that unpacks into more than was sent.
    """
    import pyarrow as pa

    try:
        buffer = pa.py_buffer(payload)
        if full and packed(buffer):
            raise ValueError("it is compressed")
        batch = pa.ipc.open_stream(buffer).read_next_batch()
        batch.validate(full=full)
    except (pa.ArrowException, OSError, StopIteration, TypeError) as error:
        raise ValueError(str(error)) from error
    return batch


def allocate(size: int) -> Any:
    """Give memory for a payload from Arrow's pool, which keeps and reuses it."""
    if size < 64 * 1024:
        return bytearray(size)
    import pyarrow as pa

    return pa.allocate_buffer(size)


def _pieces(batch: Any) -> Iterator[Any]:
    rows = max(1, batch.num_rows * PIECE_BYTES // max(1, batch.nbytes))
    if rows >= batch.num_rows:
        yield batch
        return
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


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
