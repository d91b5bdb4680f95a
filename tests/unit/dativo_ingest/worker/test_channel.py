"""Frames cross a socket whole, whatever their size and whoever sends at the same time."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker.batches import allocate
from dativo_ingest.worker.channel import AT_ONCE, Channel
from dativo_ingest.worker.wire import MAX_PAYLOAD_BYTES


@pytest.fixture
def ends():
    pair = [Channel(end) for end in socket.socketpair()]
    yield pair
    for channel in pair:
        channel.close()


def test_a_frame_of_many_and_large_parts_arrives_whole(ends):
    here, there = ends
    parts = [bytes([i % 256]) * (i * 37) for i in range(1000)]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(here.send, {"op": "batch", "n": 1}, parts)
        frame = there.receive()
        sent.result()
    assert frame.op == "batch"
    assert bytes(frame.payload) == b"".join(parts)


def test_frames_of_several_threads_do_not_mix(ends):
    here, there = ends

    def send(number):
        for _ in range(50):
            here.send({"op": "log", "number": number}, [bytes([number]) * 10_000])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    frames = [there.receive() for _ in range(200)]
    for thread in threads:
        thread.join()
    assert all(bytes(f.payload) == bytes([f.header["number"]]) * 10_000 for f in frames)


@pytest.mark.parametrize("notice", [lambda here: here.receive(), lambda here: here.send({"op": "batch"})])
def test_that_the_other_side_is_gone_is_known_to_who_receives_and_to_who_sends(ends, notice):
    here, there = ends
    assert not here.ended
    there.close()
    with contextlib.suppress(BrokenPipeError):
        notice(here)
    assert here.ended


def test_what_is_only_said_to_come_is_not_allocated(ends):
    here, there = ends
    asked = []
    there.allocate = lambda size: asked.append(size) or bytearray(size)
    here.connection.sendall(struct.pack("<4sIQ", b"DTV1", 2, MAX_PAYLOAD_BYTES) + b"{}" + b"x" * 100)
    here.close()
    with pytest.raises(SandboxError, match="ended inside a frame, after 100"):
        there.receive()
    assert max(asked) == AT_ONCE


def test_a_frame_that_is_larger_than_what_is_allocated_at_once_arrives_whole(ends, monkeypatch):
    monkeypatch.setattr("dativo_ingest.worker.channel.AT_ONCE", 1000)
    here, there = ends
    there.allocate = allocate
    parts = [bytes([at % 251]) * at for at in range(700)]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(here.send, {"op": "batch"}, parts)
        assert bytes(there.receive().payload) == b"".join(parts)
        sent.result()


def test_a_frame_that_is_larger_than_the_other_side_may_be_is_refused(ends):
    here, there = ends
    there.most = 1000
    here.send({"op": "batch"}, [b"x" * 1000])
    assert len(there.receive().payload) == 1000
    here.send({"op": "batch"}, [b"x" * 1001])
    with pytest.raises(SandboxError, match="no frame"):
        there.receive()


def test_the_end_of_the_other_side_is_the_end_of_the_stream(ends):
    here, there = ends
    here.send({"op": "last"})
    here.close()
    assert there.receive().op == "last"
    assert there.receive() is None
    assert not there.broken


def test_a_side_that_dies_with_something_unread_is_gone_all_the_same(ends):
    here, there = ends
    there.send({"op": "unread"})
    here.close()
    assert there.receive() is None


def test_a_channel_that_stopped_inside_a_frame_knows_that_it_is_broken(ends):
    here, there = ends
    here.connection.sendall(b"DTV1 and then nothing")
    with pytest.raises(SandboxError):
        there.receive()
    assert there.broken
    here.send({"op": "log"})
    assert not here.broken


def test_sending_to_nobody_is_an_error(ends):
    here, there = ends
    there.close()
    with pytest.raises(OSError, match=r"\[Errno"):
        here.send({"op": "call"}, [bytes(10_000_000)])
