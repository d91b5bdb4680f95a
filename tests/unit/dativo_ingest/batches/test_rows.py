from __future__ import annotations

import sys

import pyarrow as pa
import pytest

from dativo_ingest.batches.rows import rows_of, values_of
from dativo_ingest.testing import awkward

KINDS = [
    *(pa.bool_(), pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string(), pa.large_string()),
    *(pa.binary(), pa.date32(), pa.time64("us"), pa.decimal128(38, 9), pa.timestamp("s"), pa.timestamp("us")),
    *(pa.timestamp("us", "UTC"), pa.list_(pa.string()), pa.struct([("a", pa.int64()), ("b", pa.timestamp("us"))])),
]


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_type_is_the_native_value_that_arrow_itself_gives(kind, nullable):
    values = awkward.array(kind, 50, nullable=nullable)
    found, expected = values_of(values), values.to_pylist()
    assert list(map(repr, found)) == [
        repr(v).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc") for v in expected
    ]
    assert list(map(type, found)) == list(map(type, expected))
    sliced = values_of(values.slice(7, 20))
    assert list(map(repr, sliced)) == list(map(repr, found[7:27]))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_values_are_the_same_where_there_is_no_numpy(kind, monkeypatch):
    values = awkward.array(kind, 50, nullable=True)
    with_numpy = values_of(values)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert list(map(repr, values_of(values))) == list(map(repr, with_numpy))


def test_moments_outside_pythons_years_are_an_error_and_not_another_moment():
    with pytest.raises((ValueError, OverflowError)):
        values_of(pa.array([2**61], pa.int64()).cast(pa.timestamp("us")))


def test_a_map_is_a_dict_and_a_uuid_is_text():
    kind = pa.map_(pa.string(), pa.int64())
    assert values_of(pa.array([[("a", 1)], None], kind)) == [{"a": 1}, None]
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), None], pa.binary(16)))
    assert values_of(uuids) == ["00000000-0000-0000-0000-000000000000", None]


def test_rows_have_the_columns_in_order():
    batch = pa.record_batch({"b": [1, None], "a": ["x", "y"]})
    assert [list(row.items()) for row in rows_of(batch)] == [[("b", 1), ("a", "x")], [("b", None), ("a", "y")]]
    assert rows_of(batch.select([])) == [{}, {}]
