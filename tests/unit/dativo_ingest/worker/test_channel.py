"""Frames cross a socket whole, whatever their size and whoever sends at the same time."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker.channel import Channel


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
