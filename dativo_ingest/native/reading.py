"""A reading of a native plugin as record batches. Called by `reader`, one generator a reading."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from dativo_ingest.native import abi
from dativo_ingest.native.errors import taken
from dativo_ingest.native.handle import Handle
from dativo_ingest.native.instance import checked, filled

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from dativo_ingest.exceptions import DativoError


def batches(reading: Handle, *, full: bool = False) -> Iterator[pa.RecordBatch]:
    """Yield the batches of all streams of a reading, in order.

    A batch lives on when the stream, the reading and the instance are gone: its own release callback holds its memory.

    Args:
        reading: The reading; it stays open.
        full: Look at every value's bytes too: text that is not UTF-8, offsets that go backwards.

    Raises:
        PluginError: ``PLUGIN_BAD_DATA``: a schema or batch is not what the Arrow C data interface has.
    """
    while (stream := _next_stream(reading)) is not None:
        try:
            schema = _schema(stream, reading)
            while (batch := _next_batch(stream, reading, schema)) is not None:
                yield _valid(batch, reading, full=full)
        finally:
            stream.release()


def _next_stream(reading: Handle) -> Handle | None:
    out, error = abi.ArrowArrayStream(), abi.DativoError()
    status = reading("next", ctypes.byref(out), ctypes.byref(error))
    if checked(status, error, reading.call, abi.END) == abi.END:
        return None
    filled(out, reading.call)
    return Handle(out, reading.call, reading)


def _schema(stream: Handle, reading: Handle) -> pa.Schema:
    import pyarrow as pa

    out = abi.ArrowSchema()
    _fill(stream, reading, "get_schema", out)
    filled(out, reading.call)
    try:
        return pa.Schema._import_from_c(ctypes.addressof(out))  # noqa: SLF001 - pyarrow's way to import by address
    except (pa.ArrowException, ValueError) as error:
        raise _bad(reading, f"a schema that is none: {error}") from error


def _next_batch(stream: Handle, reading: Handle, schema: pa.Schema) -> pa.RecordBatch | None:
    import pyarrow as pa

    out = abi.ArrowArray()
    _fill(stream, reading, "get_next", out)
    if not out.release:
        return None
    try:
        return pa.RecordBatch._import_from_c(ctypes.addressof(out), schema)  # noqa: SLF001 - as above
    except (pa.ArrowException, ValueError) as error:
        raise _bad(reading, f"a batch that is not of its stream's schema: {error}") from error


def _fill(stream: Handle, reading: Handle, slot: str, out: abi.ArrowSchema | abi.ArrowArray) -> None:
    """Let the stream fill a struct; nobody comes between a failure and the question for its reason."""
    with stream.lock:
        if code := stream(slot, ctypes.byref(out)):
            raise _failed(stream, reading, code)


def _valid(batch: pa.RecordBatch, reading: Handle, *, full: bool) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        batch.validate(full=full)
    except pa.ArrowException as error:
        raise _bad(reading, f"a batch that is no valid Arrow: {error}") from error
    return batch


def _bad(reading: Handle, what: str) -> DativoError:
    return reading.call.broken(f"gave {what}", "PLUGIN_BAD_DATA")


def _failed(stream: Handle, reading: Handle, code: int) -> DativoError:
    """Make the error behind a number of the stream: what the reading says of it, else the stream's own text."""
    error = abi.DativoError()
    known = reading.has("last_error") and reading("last_error", ctypes.byref(error)) == abi.OK
    said: dict[str, Any] = taken(error)
    if known and (said["code"] or said["message"]):
        return reading.call.failed(said)
    pointer = stream("get_last_error") if stream.has("get_last_error") else None
    text = ctypes.string_at(pointer).decode("utf-8", "replace") if pointer else None
    return reading.call.failed({"message": text or f"failed with the number {code} and without a word"})
