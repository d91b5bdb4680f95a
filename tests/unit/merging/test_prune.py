import io
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.formats.parquet import near_groups, rows_at_once
from dativo_dagster.merging.keys import Keys
from dativo_dagster.merging.prune import Ranges


def ranges(**columns):
    return Ranges(list(columns), Keys([pa.chunked_array([values]) for values in columns.values()]))


@given(st.lists(st.integers(-20, 20), min_size=1), st.integers(-25, 25), st.integers(0, 10))
def test_a_range_meets_bounds_just_when_a_value_lies_between(values, low, width):
    met = ranges(id=pa.array(values)).meet({"id": (low, low + width)})
    assert met == any(low <= value <= low + width for value in values)


def test_unknown_bounds_rule_nothing_out():
    near = ranges(id=pa.array([5]))
    assert near.meet({})
    assert near.meet({"id": (None, None)})
    assert near.meet({"id": (None, 5)})
    assert not near.meet({"id": (None, 4)})
    assert not near.meet({"id": (6, None)})


def test_every_column_of_a_key_must_meet_its_bounds():
    near = ranges(id=pa.array([1, 2]), shop=pa.array(["a", "b"]))
    assert near.meet({"id": (2, 9), "shop": (b"b", b"c")})
    assert not near.meet({"id": (2, 9), "shop": (b"c", b"d")})


@pytest.mark.parametrize(
    ("values", "key", "group"),
    [
        (list(range(30)), 14, 1),
        ([f"{n:03}" for n in range(30)], "029", 2),
        ([date.fromordinal(700_000 + n) for n in range(30)], date.fromordinal(700_000), 0),
    ],
)
def test_row_groups_without_a_key_are_passed_over(values, key, group):
    file = io.BytesIO()
    pq.write_table(pa.table({"old": values}), file, row_group_size=10)
    parquet = pq.ParquetFile(file)
    near = ranges(id=pa.array([key], pa.array(values).type))
    assert list(near_groups(parquet, {"old": "id"}, near)) == [(group, 10 * group)]
    assert len(list(near_groups(parquet, {"old": "id"}, None))) == 3


def test_fewer_rows_of_wide_tables_are_read_at_once():
    def footer(columns, value):
        file = io.BytesIO()
        pq.write_table(pa.table({f"c{n}": [value] * 5000 for n in range(columns)}), file)
        return pq.read_metadata(file), [f"c{n}" for n in range(columns)]

    assert rows_at_once(*footer(1, 1)) == 1024 * 1024
    assert rows_at_once(*footer(1, "text")) == 128 * 1024
    assert rows_at_once(*footer(500, 1)) * 500 * 8 <= 16 * 1024 * 1024
