"""A worker may be a plugin that speaks the wire itself: whatever it says, the host is told and nothing of it is run."""

from __future__ import annotations

import io
import pickle
import socket
import struct
import threading
from contextlib import contextmanager

import pyarrow as pa
import pytest

from dativo_ingest.exceptions import DativoError, PluginError
from dativo_ingest.model import Stream, Unit
from dativo_ingest.worker.batches import to_parts
from dativo_ingest.worker.channel import Channel
from dativo_ingest.worker.client import Gone, Session
from dativo_ingest.worker.remote import RemoteReader, RemoteWriter

STREAM, UNIT = Stream(name="orders"), Unit(id="all")
BATCH = pa.record_batch({"a": ["x", "yz"]})
TOUCHED = []


class Bomb:
    """What is harmless until somebody unpickles it."""

    def __reduce__(self):
        return TOUCHED.append, (1,)


class Workers:
    """One worker, whose frames are written here."""

    said, stream = {}, ""

    def __init__(self, session):
        self.session = session

    @contextmanager
    def lend(self, _):
        yield self.session

    def cancel(self):
        """Nothing runs."""

    def hear(self, line):
        assert len(line["message"]) + int(line["level"])

    def told(self, error):
        return error


@pytest.fixture
def liar():
    """Give workers of which one answers any call with these bytes, or frames of header and payload."""
    ours, theirs = socket.socketpair()
    threads = []

    def answering(*frames):
        def speak():
            channel = Channel(theirs)
            channel.receive()
            for frame in frames:
                theirs.sendall(frame) if isinstance(frame, bytes) else channel.send(*frame)

        threads.append(threading.Thread(target=speak))
        threads[0].start()
        workers = Workers(None)
        workers.session = Session(Channel(ours), workers)
        return workers

    yield answering
    theirs.close()
    threads[0].join()
    ours.close()


def ipc(batch, **options):
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return out.getvalue()


def head(text, payload=0):
    return struct.pack("<4sIQ", b"DTV1", len(text), payload) + text


def read(workers):
    return list(RemoteReader(workers).read(STREAM, UNIT))


@pytest.mark.parametrize(
    "frame",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        pickle.dumps(Bomb()).ljust(16),
        head(pickle.dumps(Bomb())),
        head(b"[" * 100_000),
        head(b'{"op":"result","value":[' + b"[]," * 2_000_000 + b"0]}"),
        head(b"null"),
        struct.pack("<4sIQ", b"DTV1", 2**32 - 1, 0),
        struct.pack("<4sIQ", b"DTV1", 2, 2**63) + b"{}",
        ({"op": "log"},),
        ({"op": "log", "level": "high", "message": "x", "logger": "x"},),
        ({"op": "log", "level": 10, "message": 7, "logger": "x"},),
        ({"op": "batch"}, to_parts(BATCH).__next__()),
        ({"op": "batch", "position": "far"}, to_parts(BATCH).__next__()),
        ({"op": "batch", "position": float("inf")}, to_parts(BATCH).__next__()),
    ],
)
def test_a_frame_that_is_none_is_told_as_such(liar, frame):
    with pytest.raises(Gone):
        read(liar(frame))
    assert TOUCHED == []


@pytest.mark.parametrize(
    "value", [None, 7, "text", [7], {"units": 7}, [{"name": 7, "columns": 5}], {"b": pickle.dumps(1).hex()}]
)
@pytest.mark.parametrize("verb", ["check", "discover", "split"])
def test_an_answer_to_another_question_is_none(liar, verb, value):
    asked = {"check": (), "discover": (), "split": (STREAM, None)}[verb]
    with pytest.raises(Gone):
        getattr(RemoteReader(liar(({"op": "result", "value": value},))), verb)(*asked)


@pytest.mark.parametrize("frame", [{"op": "more"}, {"op": "more", "batches": []}, {"op": "result", "value": 3}])
def test_a_writer_that_says_nonsense_is_told_as_such(liar, frame):
    with pytest.raises(Gone):
        RemoteWriter(liar((frame,)), commits=False).write(iter([]), "file:///out/", "one")


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_writer_that_ends_before_it_took_all_rows_is_an_error(liar, wanted):
    frames = ({"op": "more", "batches": wanted},), ({"op": "result", "value": []},)
    with pytest.raises(PluginError) as caught:
        RemoteWriter(liar(*frames), commits=True).write(iter([BATCH, BATCH]), "file:///out/", "one")
    assert caught.value.error_code == "PLUGIN_LOST_ROWS"


def off_the_end():
    """A text that ends in memory behind it."""
    offsets = pa.py_buffer(struct.pack("<3i", 0, 1_000_000, 2))
    return pa.record_batch({"a": pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"xy")])})


PAYLOADS = {
    "nothing": b"",
    "a pickle": pickle.dumps(Bomb()),
    "half of a batch": ipc(BATCH)[:-40],
    "no batch": ipc(BATCH)[:-200],
    "offsets out of it": ipc(off_the_end()),
    "no UTF-8": ipc(
        pa.record_batch(
            {
                "a": pa.Array.from_buffers(
                    pa.string(), 1, [None, pa.py_buffer(b"\0" * 4 + b"\1\0\0\0"), pa.py_buffer(b"\xff")]
                )
            }
        )
    ),
    "two batches": ipc(BATCH) + ipc(BATCH),
    "a run without end": ipc(
        pa.record_batch({"a": pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1], pa.int64()), pa.array([7]))})
    ),
    "nulls without end": ipc(pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.null(), 2**31 - 1, [None])], ["a"])),
    "a bomb of zeros": ipc(pa.record_batch({"a": pa.array([0] * 1_000_000)}), compression="zstd"),
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_batch_that_is_none_is_refused_before_anybody_sees_it(liar, payload):
    with pytest.raises(PluginError) as caught:
        read(liar(({"op": "batch", "position": 0}, [payload] if payload else [])))
    assert caught.value.error_code == "PLUGIN_BAD_DATA"
    assert TOUCHED == []


def test_a_type_that_says_it_is_a_pickle_is_what_it_is_made_of(liar):
    told = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle.dumps(Bomb())}
    field = pa.field("a", pa.int64(), metadata=told)
    batch = pa.record_batch([pa.array([1])], schema=pa.schema([field]))
    frames = ({"op": "batch", "position": 0}, [ipc(batch)]), ({"op": "result", "value": None},)
    assert [found.to_pydict() for found in read(liar(*frames))] == [{"a": [1]}]
    assert TOUCHED == []


@pytest.mark.parametrize("error", [None, {}, {"class": "os.system"}, {"class": "TransientError", "state": 5}])
def test_an_error_that_is_none_is_an_error_all_the_same(liar, error):
    with pytest.raises(DativoError) as caught:
        read(liar(({"op": "error", "error": error},)))
    assert caught.value.error_code == "PLUGIN_BAD_RESULT"
