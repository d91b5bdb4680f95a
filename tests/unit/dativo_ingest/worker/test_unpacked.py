"""What a few bytes say is counted as what it becomes, without becoming it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_ingest.worker.unpacked import LARGEST_BYTES, unpacked_bytes

MANY, LONG = 2**40, "x" * 65536
HUGE = pa.array([LONG] * 4)


def batch(column):
    return pa.RecordBatch.from_arrays([column], ["a"])


def nulls(rows):
    return pa.Array.from_buffers(pa.null(), rows, [None])  # pa.nulls makes a bitmap of them


def runs(end, value):
    return pa.RunEndEncodedArray.from_arrays(pa.array([end], pa.int64()), pa.array([value]))


def picks(kind, value, rows=2**16):
    return pa.DictionaryArray.from_arrays(pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(bytes(rows))]), value)


def views(kind, rows):
    """Give views that all show the same text."""
    head, data = pa.array([LONG], kind).buffers()[1:]
    return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(head.to_pybytes() * rows), data])


def list_views(rows):
    """Give lists that all have the same items."""
    items = pa.array(range(65536))
    return pa.ListViewArray.from_arrays(
        pa.array([0] * rows, pa.int32()), pa.array([len(items)] * rows, pa.int32()), items
    )


BOMBS = {
    "nulls": lambda: nulls(MANY),
    "a run of numbers": lambda: runs(MANY, 7),
    "a run of texts": lambda: runs(10**6, LONG),
    "a dictionary of one text": lambda: picks(pa.int8(), pa.array([LONG])),
    "a dictionary of nulls": lambda: picks(pa.int8(), nulls(MANY)),
    "a dictionary of lists": lambda: picks(pa.int8(), pa.array([[1] * 65536])),
    "views of one text": lambda: views(pa.string_view(), 2**16),
    "views of some bytes": lambda: views(pa.binary_view(), 2**16),
    "lists of the same items": lambda: list_views(2**13),
    "a list of nulls": lambda: pa.ListArray.from_arrays(pa.array([0, 2**31 - 1], pa.int32()), nulls(2**31 - 1)),
    "a list of so many nulls": lambda: pa.FixedSizeListArray.from_arrays(nulls(MANY), 1024),
    "nothing, often": lambda: pa.Array.from_buffers(pa.binary(0), MANY, [None, pa.py_buffer(b"")]),
    "a struct of nulls": lambda: pa.StructArray.from_arrays([nulls(MANY)], ["n"]),
    "a struct of a struct": lambda: pa.StructArray.from_arrays(
        [pa.StructArray.from_arrays([runs(MANY, 1)], ["n"])], ["n"]
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_not_fit_is_counted_as_too_much(name):
    bomb = batch(BOMBS[name]())
    bomb.validate(full=True)
    before = pa.total_allocated_bytes()
    assert unpacked_bytes(bomb) > LARGEST_BYTES
    assert pa.total_allocated_bytes() - before < 64 * 1024 * 1024


def test_columns_that_share_their_memory_are_counted_each():
    assert unpacked_bytes(pa.RecordBatch.from_arrays([HUGE] * 8193, [str(at) for at in range(8193)])) > LARGEST_BYTES


def test_rows_without_columns_are_counted():
    rows = pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), MANY, [None]))
    assert (rows.num_rows, rows.num_columns) == (MANY, 0)
    assert unpacked_bytes(rows) > LARGEST_BYTES


def test_one_long_text_among_many_short_ones_is_counted_once():
    short = pa.array(["y"] * 100_000 + [LONG])
    ends = pa.array([100_000, 100_001], pa.int64())
    for column in (
        short.cast(pa.string_view()),
        short.dictionary_encode(),
        pa.RunEndEncodedArray.from_arrays(ends, pa.array(["y", LONG])),
    ):
        assert unpacked_bytes(batch(column)) < 2_000_000


TEXTS = st.lists(st.none() | st.text(max_size=30), min_size=1, max_size=30)


@given(TEXTS)
def test_what_is_counted_is_never_less_than_what_it_becomes(texts):
    plain = pa.array(texts, pa.string())
    encoded = [plain.dictionary_encode(), plain.cast(pa.string_view()), pc.run_end_encode(plain)]
    for column in [plain, *encoded, pa.StructArray.from_arrays(encoded, ["d", "v", "r"])]:
        assert unpacked_bytes(batch(column)) >= (pc.sum(pc.binary_length(plain)).as_py() or 0)
        assert unpacked_bytes(batch(column)) <= (3 * plain.nbytes + 64 * len(plain)) * 3
