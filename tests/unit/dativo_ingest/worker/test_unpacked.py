"""What a few bytes say is counted as what it becomes, without becoming it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_ingest.worker.batches import from_payload, to_parts
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


def union(rows):
    """Give rows of a union that are all the same text."""
    codes, places = (
        pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(bytes(4 * rows))]) for kind in (pa.int8(), pa.int32())
    )
    return pa.UnionArray.from_dense(codes, places, [pa.array([LONG]), pa.array([1])])


BOMBS = {
    "a union of one text": lambda: union(2**16),
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


MANY_VALUES = 50_000
FIXED = {
    "amounts": pa.array(range(MANY_VALUES)).cast(pa.decimal128(30, 2)),
    "keys": pa.array([number.to_bytes(16, "big") for number in range(MANY_VALUES)], pa.binary(16)),
    "nulls": pa.nulls(MANY_VALUES),
    "documents": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["[]"] * MANY_VALUES)),
    "structs": pa.StructArray.from_arrays([pa.array(range(MANY_VALUES)), pa.array(["x"] * MANY_VALUES)], ["n", "t"]),
}


@pytest.mark.parametrize("values", FIXED)
def test_many_values_that_are_named_one_by_one_are_counted_one_by_one(values):
    column, each = FIXED[values], pa.array(range(MANY_VALUES), pa.int32())
    for encoded in (
        pa.DictionaryArray.from_arrays(each, column),
        pa.RunEndEncodedArray.from_arrays(pa.array(range(1, MANY_VALUES + 1), pa.int32()), column),
        pa.ListViewArray.from_arrays(each, pa.array([1] * MANY_VALUES, pa.int32()), column),
    ):
        assert column.nbytes <= unpacked_bytes(batch(encoded)) <= 64 * MANY_VALUES


def test_a_union_that_was_sent_without_rows_takes_nothing():
    for sent in (union(0), union(3).slice(3)):
        (parts,) = to_parts(batch(sent))
        found = from_payload(b"".join(bytes(part) for part in parts), full=True)
        assert (found.num_rows, unpacked_bytes(found)) == (0, 0)


@pytest.mark.parametrize("size", [2**29, 2**31 - 1])
def test_a_sum_that_is_too_large_for_a_number_is_too_much(size):
    inner = pa.FixedSizeListArray.from_arrays(nulls(size * size), size)
    values = pa.FixedSizeListArray.from_arrays(inner, size)
    for rows in (1, 4, 8):
        for column in (values, pa.StructArray.from_arrays([values], ["v"])):
            assert unpacked_bytes(batch(picks(pa.int8(), column, rows))) > LARGEST_BYTES


def test_a_union_is_counted_as_what_its_rows_show():
    values = [pa.array(["y"] * 99_999 + [LONG]), pa.array(range(100_000))]
    codes = pa.array([0, 1] * 100_000, pa.int8())
    places = pa.array([at // 2 for at in range(200_000)], pa.int32())
    shown = unpacked_bytes(batch(pa.UnionArray.from_dense(codes, places, values)))
    assert sum(column.nbytes for column in values) <= shown < 6_000_000


# The same columns and numbers are in `rust_plugins/lambda_bootstrap/src/unpacked.rs`: both languages cut alike.
COUNTED = {
    "numbers": (pa.array([1, 2, 3]), 24),
    "texts": (pa.array(["x" * 20, "", "y"]), 33),
    "nothing": (pa.nulls(3), 24),
    "views": (pa.array(["x" * 20, None, "y"], pa.string_view()), 45),
    "bytes": (pa.array([b"x" * 20, b"y"], pa.binary_view()), 37),
    "a struct": (pa.StructArray.from_arrays([pa.array([1, 2]), pa.array(["x", "y"])], ["n", "t"]), 42),
    "lists": (pa.array([[1, 2], [], [3]]), 48),
    "lists of a size": (pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)), 48),
    "a map": (pa.array([[], [(1, 3)], [(2, 4)]], pa.map_(pa.int64(), pa.int64())), 72),
    "lists of the same": (
        pa.ListViewArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array([2, 2], pa.int32()), pa.array([1, 2])),
        80,
    ),
    "few names": (picks(pa.int8(), pa.array(["x" * 9, "y"]), 4), 68),
    "many names": (picks(pa.int8(), pa.array([LONG]), 30_000), 30_000 * (len(LONG) + 8)),
    "names of numbers": (picks(pa.int8(), pa.array([1, 2, 3]), 4), 64),
    "runs": (
        pa.RunEndEncodedArray.from_arrays(pa.array([40_000, 40_001], pa.int32()), pa.array(["y", LONG])),
        40_000 * 9 + len(LONG) + 8,
    ),
    "a union": (
        pa.UnionArray.from_dense(
            pa.array([0, 1, 0], pa.int8()),
            pa.array([0, 0, 0], pa.int32()),
            [pa.array(["yes", "no"]), pa.array([1])],
        ),
        62,
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_column_is_counted_as_in_rust(name):
    column, counted = COUNTED[name]
    assert unpacked_bytes(batch(column)) == counted


TEXTS = st.lists(st.none() | st.text(max_size=30), min_size=1, max_size=30)


@given(TEXTS)
def test_what_is_counted_is_never_less_than_what_it_becomes(texts):
    plain = pa.array(texts, pa.string())
    encoded = [plain.dictionary_encode(), plain.cast(pa.string_view()), pc.run_end_encode(plain)]
    for column in [plain, *encoded, pa.StructArray.from_arrays(encoded, ["d", "v", "r"])]:
        assert unpacked_bytes(batch(column)) >= (pc.sum(pc.binary_length(plain)).as_py() or 0)
        assert unpacked_bytes(batch(column)) <= (3 * plain.nbytes + 64 * len(plain)) * 3
