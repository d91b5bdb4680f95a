"""Frames survive any cut of the stream, and what is no frame is told as such."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.worker import wire

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
headers = st.dictionaries(st.text(max_size=8), json_values, max_size=4)
payloads = st.lists(st.binary(max_size=50), max_size=4)


def _bytes(header, parts=()):
    return b"".join(wire.encode(header, parts))


@given(st.lists(st.tuples(headers, payloads), max_size=5))
def test_frames_come_out_of_a_stream_as_they_went_in(messages):
    stream = io.BytesIO(b"".join(_bytes(header, parts) for header, parts in messages))
    for header, parts in messages:
        frame = wire.decode(stream.read)
        assert frame is not None
        assert frame.header == header
        assert bytes(frame.payload or b"") == b"".join(parts)
    assert wire.decode(stream.read) is None


@given(headers, payloads, st.data())
def test_a_stream_that_is_cut_inside_a_frame_is_an_error_and_never_an_end(header, parts, data):
    whole = _bytes(header, parts)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(SandboxError, match="ended inside a frame") as error:
        wire.decode(io.BytesIO(whole[:cut]).read)
    assert error.value.error_code == "WIRE_BROKEN"
    assert not error.value.retryable


@given(st.binary(min_size=16, max_size=200).filter(lambda data: not data.startswith(b"DTV1")))
def test_bytes_that_are_no_frame_are_refused(data):
    with pytest.raises(SandboxError, match="no frame"):
        wire.decode(io.BytesIO(data).read)


@pytest.mark.parametrize(
    ("header_size", "payload_size"), [(wire.MAX_HEADER_BYTES + 1, 0), (2, wire.MAX_PAYLOAD_BYTES + 1)]
)
def test_a_length_beyond_the_bounds_is_refused_before_anything_is_allocated(header_size, payload_size):
    head = struct.pack("<4sIQ", b"DTV1", header_size, payload_size)
    asked = []

    def read(size):
        asked.append(size)
        return head

    with pytest.raises(SandboxError, match="no frame"):
        wire.decode(read)
    assert asked == [16]


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff\xfe", b"1"])
def test_a_header_that_is_no_json_object_is_refused(text):
    with pytest.raises(SandboxError, match="header"):
        wire.decode(io.BytesIO(struct.pack("<4sIQ", b"DTV1", len(text), 0) + text).read)


def test_a_payload_that_is_too_long_is_not_sent():
    class Huge:
        def __len__(self):
            return wire.MAX_PAYLOAD_BYTES + 1

    with pytest.raises(SandboxError, match="beyond"):
        wire.encode({}, [Huge()])


def test_the_parts_of_a_payload_are_not_copied():
    part = bytearray(10)
    assert wire.encode({"op": "batch"}, [part])[1] is part


def test_a_frame_looks_as_its_specification_says():
    assert _bytes({"op": "more"}, [b"abc"]) == b"DTV1" + b"\x0d\0\0\0" + b"\x03" + b"\0" * 7 + b'{"op":"more"}' + b"abc"
