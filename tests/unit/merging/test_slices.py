"""Where the bounds of a slice lie in columns of different kinds."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pyarrow as pa
import pytest

from dativo_dagster.config.job import Slice
from dativo_dagster.merging.slices import bound, inside
from dativo_dagster.tables.sql.rows import sliced
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column

BERLIN = Slice(
    key="2024-07-01",
    column="at",
    lower="2024-07-01T00:00:00+02:00",
    upper="2024-07-02T00:00:00+02:00",
    clocks="Europe/Berlin",
)


@pytest.mark.parametrize(
    ("kind", "value", "sql", "literal"),
    [
        pytest.param(
            pa.timestamp("us", "UTC"),
            datetime(2024, 6, 30, 22, tzinfo=timezone.utc),
            "timestamptz",
            "TIMESTAMPTZ '2024-06-30T22:00:00+00:00'",
            id="an instant",
        ),
        pytest.param(
            pa.timestamp("us"),
            datetime(2024, 7, 1),  # noqa: DTZ001 - what a clock shows
            "timestamp",
            "TIMESTAMP '2024-07-01 00:00:00'",
            id="what the column's own clocks show",
        ),
        pytest.param(pa.date32(), date(2024, 7, 1), "date", "DATE '2024-07-01'", id="a day of the calendar"),
    ],
)
def test_a_day_begins_in_arrow_and_in_sql_at(kind, value, sql, literal):
    assert bound(BERLIN.lower, kind, BERLIN).as_py() == value
    condition = sliced(BERLIN, [Column(name="at", type=sql)])
    assert condition.startswith(f'"at" >= {literal}')


def test_a_row_on_the_upper_end_belongs_to_the_next_slice_and_null_to_none():
    days = pa.array([date(2024, 6, 30), date(2024, 7, 1), date(2024, 7, 2), None])
    assert inside(days, BERLIN).to_pylist() == [False, True, False, False]


def test_a_number_has_no_place_in_a_slice_of_time():
    with pytest.raises(ConfigurationError) as caught:
        bound(BERLIN.lower, pa.int64(), BERLIN)
    assert caught.value.error_code == "BAD_SLICE"


def test_values_that_a_column_cannot_have_are_told():
    part = Slice(key="de", column="country", values=("DE",))
    with pytest.raises(ConfigurationError, match="are none that column 'country' can have, which is int64") as caught:
        inside(pa.array([1, 2]), part)
    assert caught.value.error_code == "BAD_SLICE"
    assert inside(pa.array([1, 2]), Slice(key="two", column="country", values=("2",))).to_pylist() == [False, True]
