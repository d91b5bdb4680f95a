"""Keys of partitions and the rows they stand for, on clocks that jump."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dativo_dagster.config.document import parse_document
from dativo_dagster.config.load import parse_job
from dativo_dagster.config.partitions import first_and_end, keys_of, partitions_of, slice_of
from dativo_dagster.config.streamfile import PartitionsFile
from dativo_dagster.orchestration.partitions import definition_of
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Partitions

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"]
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=31)}


def made(every=None, start=None, **more) -> Partitions:
    return partitions_of(PartitionsFile(column="at", every=every, start=start, **more))


def instants(partitions: Partitions, key: str) -> tuple[datetime, datetime]:
    part = slice_of(partitions, key)
    assert part.lower
    assert part.upper
    return datetime.fromisoformat(part.lower), datetime.fromisoformat(part.upper)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("every", "start", "now", "keys"),
    [
        ("day", "2026-01-30", utc(2026, 2, 2), ["2026-01-30", "2026-01-31", "2026-02-01"]),
        ("week", "2026-01-04", utc(2026, 1, 20), ["2026-01-04", "2026-01-11"]),
        ("month", "2025-11-01", utc(2026, 2, 1), ["2025-11-01", "2025-12-01", "2026-01-01"]),
        ("hour", "2026-01-01T22:00", utc(2026, 1, 2, 0, 59), ["2026-01-01-22:00", "2026-01-01-23:00"]),
    ],
)
def test_only_parts_that_have_ended_have_keys(every, start, now, keys):
    assert keys_of(made(every, start), now) == keys


def test_a_part_that_ends_this_moment_has_ended_and_one_a_moment_later_has_not():
    days = made("day", "2026-01-01")
    assert keys_of(days, utc(2026, 1, 2)) == ["2026-01-01"]
    assert keys_of(days, utc(2026, 1, 2) - timedelta(microseconds=1)) == []


def test_no_part_lies_beyond_the_end():
    assert keys_of(made("day", "2026-01-01", end="2026-01-03"), utc(2026, 6, 1)) == ["2026-01-01", "2026-01-02"]


def test_days_begin_at_midnight_of_their_zone_also_where_the_day_has_23_or_25_hours():
    days = made("day", "2026-03-28", timezone="Europe/Berlin")
    assert slice_of(days, "2026-03-29").lower == "2026-03-29T00:00:00+01:00"
    assert slice_of(days, "2026-03-29").upper == "2026-03-30T00:00:00+02:00"
    lower, upper = instants(days, "2026-10-25")
    assert upper - lower == timedelta(hours=25)


def test_the_hour_that_comes_twice_is_two_parts_and_the_one_that_never_comes_is_none():
    hours = made("hour", "2026-03-29T00:00", timezone="Europe/Berlin")
    assert keys_of(hours, utc(2026, 3, 29, 2)) == ["2026-03-29-00:00", "2026-03-29-01:00", "2026-03-29-03:00"]
    with pytest.raises(ConfigurationError, match="no partition '2026-03-29-02:00'"):
        slice_of(hours, "2026-03-29-02:00")
    twice = keys_of(hours, utc(2026, 10, 25, 3))[-4:]
    assert twice == ["2026-10-25-01:00", "2026-10-25-02:00", "2026-10-25-02:00+0100", "2026-10-25-03:00"]
    assert instants(hours, twice[1]) == (utc(2026, 10, 25, 0), utc(2026, 10, 25, 1))
    assert instants(hours, twice[2]) == (utc(2026, 10, 25, 1), utc(2026, 10, 25, 2))


def test_a_start_with_an_offset_is_that_moment_in_the_zone():
    assert first_and_end(made("day", "2026-01-01T00:00:00+01:00", timezone="Europe/Berlin"))[0] == "2026-01-01"
    with pytest.raises(ValueError, match="is not where the day begins in UTC"):
        made("day", "2026-01-01T00:00:00+01:00")


@settings(max_examples=150, deadline=None)
@given(
    every=st.sampled_from(["hour", "day", "week", "month"]),
    zone=st.sampled_from([*ZONES, "Pacific/Apia", "Africa/Cairo"]),
    day=st.dates(datetime(2010, 1, 3).date(), datetime(2030, 1, 1).date()),  # noqa: DTZ001 - only its date
    count=st.integers(1, 60),
)
def test_parts_tile_time_without_gap_or_overlap(every, zone, day, count):
    if every == "week":
        day -= timedelta(days=(day.weekday() + 1) % 7)
    start = day.replace(day=1) if every == "month" else day
    partitions = made(every, start.isoformat(), timezone=zone)
    begun = utc(start.year, start.month, start.day)
    keys = keys_of(partitions, begun + timedelta(days=1) + STEPS[every] * count)
    windows = [instants(partitions, key) for key in keys]
    assert len(keys) == len(set(keys)) >= count - 1
    assert all(one[1] == other[0] for one, other in pairwise(windows))
    assert all(lower <= upper for lower, upper in windows)
    assert every != "hour" or all(upper - lower == timedelta(hours=1) for lower, upper in windows)


@pytest.mark.parametrize("zone", [z for z in ZONES if z != "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    ("every", "start", "end"),
    [
        ("hour", "2018-11-01", "2018-11-10"),
        ("hour", "2026-03-06", "2026-04-06"),
        ("hour", "2026-10-24", "2026-11-02"),
        ("day", "2018-10-20", "2018-11-10"),
        ("day", "2026-01-01", "2027-01-01"),
        ("week", "2026-01-04", "2026-12-27"),
        ("month", "2024-01-01", "2026-12-01"),
    ],
)
def test_keys_and_windows_are_those_of_dagster(every, start, end, zone):
    partitions = made(every, start, end=end, timezone=zone)
    dagsters = definition_of(partitions)
    keys = keys_of(partitions, utc(2030, 1, 1))
    assert keys == dagsters.get_partition_keys(current_time=utc(2030, 1, 1))
    for key in keys:
        window = dagsters.time_window_for_partition_key(key)  # type: ignore[attr-defined]
        assert [at.timestamp() for at in instants(partitions, key)] == [
            window.start.timestamp(),
            window.end.timestamp(),
        ]


def test_parts_without_an_end_are_dagsters_as_well():
    partitions = made("day", "2026-01-01", timezone="Europe/Berlin")
    now = utc(2026, 3, 30)
    assert definition_of(partitions).get_partition_keys(current_time=now) == keys_of(partitions, now)


def test_named_parts_have_their_values():
    listed = made(keys=["north", "south"])
    assert keys_of(listed, utc(2026, 1, 1)) == ["north", "south"]
    assert slice_of(listed, "north").values == ("north",)
    mapped = made(keys={"europe": ["de", "fr"], "us": "us"})
    assert slice_of(mapped, "europe").values == ("de", "fr")
    assert slice_of(mapped, "us").values == ("us",)
    assert definition_of(mapped).get_partition_keys() == ["europe", "us"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"keys": []}, "empty"),
        ({"keys": {"a": []}}, "has no values"),
        ({"keys": ["a", "a"]}, "'a' is named twice"),
        ({"keys": {"a": ["x", "y"], "b": ["y"]}}, "'y' is named twice"),
        ({"keys": ["a..b"]}, "cannot name a part"),
        ({"keys": ["a\nb"]}, "cannot name a part"),
        ({"keys": [" "]}, "cannot name a part"),
        ({"every": "day"}, "`start` is missing"),
        ({"every": "day", "start": "yesterday"}, "'yesterday' is no date or time"),
        ({"every": "day", "start": "2026-01-01T05:00"}, "is not where the day begins"),
        ({"every": "hour", "start": "2026-01-01T05:30"}, "is not where the hour begins"),
        ({"every": "week", "start": "2026-01-01"}, "weeks begin on Sunday"),
        ({"every": "month", "start": "2026-01-02"}, "is not where the month begins"),
        ({"every": "day", "start": "2026-01-02", "end": "2026-01-02"}, "not after `start`"),
        ({"every": "day", "start": "2026-01-02", "keys": ["a"]}, "say either"),
        ({}, "say either"),
    ],
)
def test_what_makes_no_parts_is_refused(said, why):
    with pytest.raises(ValueError, match=why):
        made(**said)


@pytest.mark.parametrize(
    ("partitions", "key", "why"),
    [
        (made("day", "2026-01-01"), "2025-12-31", "they go from 2026-01-01 to now"),
        (made("day", "2026-01-01", end="2026-02-01"), "2026-02-01", "to 2026-02-01, which is not"),
        (made("day", "2026-01-01"), "2026-1-2", "write the day as 2026-03-01"),
        (made("day", "2026-01-01"), "2026-02-30", "write the day as 2026-03-01"),
        (made("week", "2026-01-04"), "2026-01-05", "each part is one week"),
        (made("month", "2026-01-01"), "2026-01-02", "each part is one month"),
        (made("hour", "2026-01-01"), "2026-01-01-00:30", "each part is one hour"),
        (made("hour", "2026-01-01"), "2026-01-01-05:00+0100", "write the hour as 2026-03-01-00:00"),
        (made(keys=["a", "b"]), "c", "the parts are a, b"),
    ],
)
def test_a_key_that_is_none_is_refused(partitions, key, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        slice_of(partitions, key)
    assert caught.value.error_code == "UNKNOWN_PARTITION"


def test_a_part_that_has_not_ended_can_be_refused():
    days = made("day", "2026-01-01")
    assert slice_of(days, "2026-01-05", utc(2026, 1, 6)).key == "2026-01-05"
    with pytest.raises(ConfigurationError, match=r"it ends at 2026-01-06T00:00:00\+00:00"):
        slice_of(days, "2026-01-05", utc(2026, 1, 5, 23))


JOB = """\
tenant: acme
source: {connector: postgres, host: nowhere, database: shop}
target: {connector: iceberg}
streams:
  - {name: orders, target: {table: shop.orders}%s}
  - {name: lines, target: {table: shop.lines}%s}
contract: {name: both, schema: [{name: at, type: timestamptz}, {name: x, type: timestamptz}]}
"""


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("", "", None),
        (", partitions: {column: at, every: day, start: 2026-01-01}", "", "'lines' is not cut into the same parts"),
        (
            ", partitions: {column: at, every: day, start: 2026-01-01}",
            ", partitions: {column: x, every: day, start: 2026-01-01T00:00}",
            None,
        ),
        (
            ", partitions: {column: at, every: day, start: 2026-01-01}",
            ", partitions: {column: at, every: day, start: 2026-01-02}",
            "'lines' is not cut into the same parts as 'orders'",
        ),
    ],
)
def test_streams_of_a_job_are_cut_alike(tmp_path, one, other, why):
    document = parse_document(JOB % (one, other), tmp_path / "job.yaml")
    if why is None:
        assert (parse_job(document).partitions is None) == (one == "")
        return
    with pytest.raises(ConfigurationError, match=why):
        parse_job(document)
