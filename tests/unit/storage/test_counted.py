"""Counting a stream changes nothing of it."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from dativo_dagster.storage import Counted


def test_what_is_read_is_handed_on_and_counted():
    counts = {}
    with Counted(io.BytesIO(b"0123456789"), counts, "x") as stream:
        assert counts == {"x": 0}
        assert (stream.read(4), counts["x"]) == (b"0123", 4)
        assert (stream.readinto(bytearray(3)), counts["x"]) == (3, 7)
        assert (stream.read(), counts["x"]) == (b"789", 10)


def test_the_stream_is_closed_with_it_and_its_number_stays():
    inner, counts = io.BytesIO(b"abc"), {}
    with Counted(inner, counts, "x") as stream:
        stream.read()
    assert inner.closed
    assert counts == {"x": 3}


def test_reading_it_anew_counts_from_0():
    counts = {"x": 99}
    Counted(io.BytesIO(b"abc"), counts, "x").read(2)
    assert counts == {"x": 2}


def test_a_reader_that_jumps_may_have_it():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": list(range(1000))}), buffer)
    buffer.seek(0)
    counts = {}
    assert pq.read_table(Counted(buffer, counts, "x")).num_rows == 1000
    assert counts["x"] > 0
