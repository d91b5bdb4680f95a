from __future__ import annotations

import pytest

from dativo_dagster.config.job import Partition
from dativo_dagster.config.partitioning import parse_partition


@pytest.mark.parametrize(
    ("said", "column", "transform"),
    [
        ("country", "country", "identity"),
        ("  country ", "country", "identity"),
        ("identity(country)", "country", "identity"),
        ("day(created_at)", "created_at", "day"),
        ("Month( created_at )", "created_at", "month"),
        ("bucket(16, id)", "id", "bucket[16]"),
        ("bucket(016,id)", "id", "bucket[16]"),
        ("truncate(4, name)", "name", "truncate[4]"),
        ("Land und Ort", "Land und Ort", "identity"),
        ({"column": "a (b)"}, "a (b)", "identity"),
        ({"column": "a (b)", "transform": "bucket[8]"}, "a (b)", "bucket[8]"),
    ],
)
def test_a_partition_is_read(said, column, transform):
    assert parse_partition(said) == Partition(column=column, transform=transform)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", "is no partition"),
        (3, "is no partition"),
        ("day(a", "is no partition"),
        ("day(a)(b)", "is no partition"),
        ({"transform": "day"}, "is no partition"),
        ({"column": "a", "transform": "day("}, "is no partition"),
        ("bucket(id)", r"bucket needs a size from 1, such as bucket\(16, id\)"),
        ("bucket(0, id)", "bucket needs a size from 1"),
        ("bucket(99999999999, id)", "bucket needs a size from 1"),
        ("day(3, at)", r"day takes no number; write day\(at\)"),
        ("week(at)", "there is no partition transform 'week'; known are identity, year, month, day, hour, bucket"),
    ],
)
def test_what_is_no_partition_is_refused(said, message):
    with pytest.raises(ValueError, match=message):
        parse_partition(said)
