"""Rows of MySQL's text protocol: what the server sends is what Arrow has, wherever it is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.connectors.sql import my_wire
from dativo_dagster.connectors.sql.my_errors import BrokenProtocolError

END = b"\x05\x00\x00\x09\xfe\x00\x00\x02\x00"
LONGEST = 0xFFFFFF


def value(data):
    if data is None:
        return b"\xfb"
    for limit, mark, width in ((251, b"", 1), (2**16, b"\xfc", 2), (2**24, b"\xfd", 3)):
        if len(data) < limit:
            return mark + len(data).to_bytes(width, "little") + data
    return b"\xfe" + len(data).to_bytes(8, "little") + data


def packets(payload):
    """Frame a row as the protocol does: pieces of the greatest length, then one that is shorter, maybe empty."""
    pieces = [payload[i : i + LONGEST] for i in range(0, len(payload) + 1, LONGEST)]
    return b"".join(len(p).to_bytes(3, "little") + b"\x07" + p for p in pieces)


def sent(rows, end=END):
    return b"".join(packets(b"".join(map(value, row))) for row in rows) + end


def read(data, columns, cut=65_536):
    pieces = iter([data[i : i + cut] for i in range(0, len(data), cut)])
    found = [[] for _ in range(columns)]
    for block in my_wire.blocks(lambda _: next(pieces, b""), columns):
        for column, array in zip(found, block, strict=True):
            column.extend(array.to_pylist())
    return list(zip(*found, strict=True))


VALUES = st.none() | st.binary(max_size=300) | st.sampled_from([b"", b"\xfe" * 8, b"\xff", b"x" * 250, b"x" * 251])


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[VALUES] * n), max_size=30)), st.integers(1, 700))
def test_rows_come_back_wherever_the_line_cuts_them(rows, cut):
    columns = len(rows[0]) if rows else 1
    assert read(sent(rows), columns, cut) == rows


def test_values_of_every_length_and_rows_over_packets_come_back():
    lengths = [0, 250, 251, 2**16 - 1, 2**16, LONGEST - 4, LONGEST - 3, LONGEST, 2**24, 2 * LONGEST + 5]
    rows = [(b"a" * (n - 1) + b"z" if n else b"", b"k") for n in lengths]
    assert read(sent(rows), 2, 2**20) == rows


def test_blocks_stay_small_however_many_rows_there_are():
    row = sent([(b"x" * 1000, None)], b"")
    pieces = iter([row * 100] * 300 + [END])
    sizes = [sum(a.nbytes for a in block) for block in my_wire.blocks(lambda _: next(pieces), 2)]
    assert len(sizes) > 5
    assert max(sizes) < 2 * my_wire.BLOCK_BYTES


def test_an_error_after_rows_is_raised_with_the_server_s_own_words():
    packet = b"\xff\x25\x05#70100Query execution was interrupted"
    with pytest.raises(my_wire.ServerSaidError) as caught:
        read(sent([(b"1",)] * 3, packets(packet)), 1)
    assert caught.value.packet == packet


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (sent([(b"1", b"2")], b""), 2),  # closed before the end
        (sent([(b"1", b"2")])[:5], 2),
        (b"", 1),
        (sent([(b"1", b"2")]), 1),
        (packets(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff") + END, 1),
        (packets(b"\x01a\xfc") + END, 2),
        (sent([(b"1", b"2")]), 3),
        (sent(itertools.repeat((b"1",), 3), b"\x02\x00\x00\x01\x05x" + END), 1),  # a length beyond its row
    ],
)
def test_what_is_no_row_is_refused(data, columns):
    with pytest.raises(BrokenProtocolError):
        read(data, columns)
