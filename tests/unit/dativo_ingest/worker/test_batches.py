"""Batches arrive equal, one by one and in bounded pieces."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dativo_ingest.worker import batches as worker_batches
from dativo_ingest.worker.batches import allocate, from_payload, to_parts


def _crossed(batch):
    found = []
    for parts in to_parts(batch):
        sent = b"".join(bytes(part) for part in parts)
        payload = allocate(len(sent))
        memoryview(payload).cast("B")[:] = sent
        found.append(from_payload(payload))
    return found


BATCHES = {
    "plain": pa.record_batch({"a": [1, None, 3], "b": ["x", None, "é"]}),
    "no rows": pa.record_batch({"a": pa.array([], pa.decimal128(12, 2))}),
    "no columns": pa.record_batch([], schema=pa.schema([])),
    "slice": pa.record_batch({"a": list(range(100)), "s": list(map(str, range(100)))}).slice(90, 5),
    "dictionary": pa.record_batch({"a": pa.array(["x", "y", "x"]).dictionary_encode()}),
    "nested": pa.record_batch({"a": [[{"b": 1}], None, []]}),
    "large": pa.record_batch({"a": pa.array(range(50_000))}),
    "field metadata": pa.record_batch(
        [pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), metadata={"PARQUET:field_id": "7"})])
    ),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_arrives_as_it_was(name):
    (found,) = _crossed(BATCHES[name])
    assert found.equals(BATCHES[name], check_metadata=True)


def test_a_column_is_not_copied_on_its_way_out():
    column = pa.array(range(50_000))
    (parts,) = to_parts(pa.record_batch({"a": column}))
    addresses = {pa.py_buffer(part).address for part in parts}
    assert column.buffers()[1].address in addresses


def test_anything_that_is_an_arrow_array_is_a_batch():
    class Foreign:
        schema = BATCHES["plain"].schema
        num_rows = 3

        def __arrow_c_array__(self, requested_schema=None):
            return BATCHES["plain"].__arrow_c_array__(requested_schema)

    assert _crossed(Foreign()) == [BATCHES["plain"]]


def test_a_huge_batch_goes_in_pieces_with_all_of_its_rows_in_order(monkeypatch):
    monkeypatch.setattr(worker_batches, "PIECE_BYTES", 8_000)
    batch = pa.record_batch({"a": pa.array(range(10_001)), "s": [str(i) for i in range(10_001)]})
    found = _crossed(batch)
    assert len(found) > 10
    assert max(piece.nbytes for piece in found) < 16_000
    assert pa.Table.from_batches(found).combine_chunks().to_batches() == [batch]


def test_a_batch_whose_rows_become_too_much_goes_in_pieces_that_are_taken():
    words, rows = pa.array(["x" * 100_000, "y"]), 50_000
    batch = pa.record_batch({"a": pa.DictionaryArray.from_arrays(pa.array([0, 1] * (rows // 2), pa.int8()), words)})
    payloads = [b"".join(bytes(part) for part in parts) for parts in to_parts(batch)]
    taken = [from_payload(payload, full=True) for payload in payloads]
    assert pa.Table.from_batches(taken).column(0).combine_chunks().indices.to_pylist() == [0, 1] * (rows // 2)


VALUES = 20_000
TEXTS = pa.array(
    [
        None if row % 7 == 0 else "short" if row % 3 == 0 else f"a text too long for its view: {row}"
        for row in range(VALUES)
    ]
)
HOLDING = {
    "as they are": lambda values: values,
    "in an extension": lambda values: pa.ExtensionArray.from_storage(pa.opaque(values.type, "t", "v"), values),
    "in lists": lambda values: pa.ListArray.from_arrays(PAIRS, values),
    "in large lists": lambda values: pa.LargeListArray.from_arrays(PAIRS.cast(pa.int64()), values),
    "in lists of a size": lambda values: pa.FixedSizeListArray.from_arrays(values, 2),
    "in maps": lambda values: pa.MapArray.from_arrays(PAIRS, range(VALUES), values),
    "in a struct": lambda values: pa.StructArray.from_arrays([pa.ListArray.from_arrays(PAIRS, values)], ["l"]),
}
PAIRS = pa.array(range(0, VALUES + 1, 2), pa.int32())


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view(), pa.string(), pa.binary()], ids=str)
@pytest.mark.parametrize("name", HOLDING)
def test_pieces_are_together_as_large_as_the_whole(name, kind, monkeypatch):
    column = HOLDING[name](TEXTS.cast(pa.binary()).cast(kind) if "binary" in str(kind) else TEXTS.cast(kind))
    whole = pa.record_batch([column], schema=pa.schema([pa.field("a", column.type, metadata={"k": "v"})]))
    ((size, _),) = _sizes(whole)
    monkeypatch.setattr(worker_batches, "PIECE_BYTES", 32 * 1024)
    for shown in (whole, whole.slice(len(column) // 10, len(column) // 2)):
        sizes = _sizes(shown)
        assert len(sizes) > 5
        assert sum(bytes_ for bytes_, _ in sizes) < 1.5 * size
        found = pa.Table.from_batches([piece for _, piece in sizes])
        found.validate(full=True)
        assert found.equals(pa.Table.from_batches([shown]), check_metadata=True)


def _sizes(batch):
    payloads = [b"".join(bytes(part) for part in parts) for parts in to_parts(batch)]
    return [(len(payload), from_payload(payload, full=True)) for payload in payloads]


class Meters(pa.ExtensionType):
    """A type as a plugin may define one: Python does not hash it."""

    def __init__(self):
        super().__init__(pa.int64(), "tests.meters")

    def __arrow_ext_serialize__(self):
        return b""


def test_a_type_of_a_plugin_goes_in_pieces(monkeypatch):
    lengths = pa.ExtensionArray.from_storage(Meters(), pa.array(range(1000)))
    whole = pa.record_batch([pa.StructArray.from_arrays([lengths, TEXTS.slice(0, 1000)], ["m", "t"])], ["a"])
    monkeypatch.setattr(worker_batches, "PIECE_BYTES", 1024)
    pieces = [batch for _, batch in _sizes(whole)]
    assert len(pieces) > 5
    assert [row for piece in pieces for row in piece["a"].to_pylist()] == whole["a"].to_pylist()


@pytest.mark.parametrize("rows", [0, 1])
def test_a_few_rows_of_many_views_are_sent_alone(rows, monkeypatch):
    monkeypatch.setattr(worker_batches, "PIECE_BYTES", 32 * 1024)
    shown = pa.record_batch({"a": TEXTS.cast(pa.string_view())}).slice(1, rows)
    ((size, found),) = _sizes(shown)
    assert found.equals(shown)
    assert size < 1024


def test_views_of_the_same_bytes_are_not_copied(monkeypatch):
    view, data = pa.array(["x" * 10_000], pa.string_view()).buffers()[1:]
    column = pa.Array.from_buffers(pa.string_view(), 500, [None, pa.py_buffer(view.to_pybytes() * 500), data])
    monkeypatch.setattr(worker_batches, "PIECE_BYTES", 10_000)
    sizes = _sizes(pa.record_batch({"a": column}))
    assert len(sizes) > 1
    assert max(size for size, _ in sizes) < 20_000


def test_one_row_that_is_larger_than_a_piece_goes_alone(monkeypatch):
    monkeypatch.setattr(worker_batches, "PIECE_BYTES", 10)
    assert [b.num_rows for b in _crossed(pa.record_batch({"s": ["x" * 100] * 3}))] == [1, 1, 1]


def test_a_batch_lives_as_long_as_somebody_holds_it():
    (found,) = _crossed(BATCHES["large"])
    column = found.column(0)
    del found
    assert column.to_pylist() == list(range(50_000))
