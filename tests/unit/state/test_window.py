"""Windows one after another give each row once."""

# ruff: noqa: DTZ001 - clocks without a zone are what some columns have

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.state.window import Rule, plan, resumed, slice_span, wall
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Cursor

UTC = timezone.utc
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
READ = {
    "timestamptz": datetime.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "integer": int,
    "numeric": Decimal,
    "text": str,
}


def holds(span, value):
    """Say whether a row with this cursor lies in a span, as the SQL of a dialect would."""
    if span is None:
        return False
    read = READ[span.kind]
    low, high = span.lower and read(span.lower), span.upper and read(span.upper)
    above = low is None or (value > low if span.after_lower else value >= low)
    below = high is None or (value <= high if span.with_upper else value < high)
    return above and below


moments = st.integers(0, 5_000_000).map(lambda us: NOON + timedelta(microseconds=us))
"""Five seconds in microseconds, so that equal ones and neighbours are common."""


@given(
    st.lists(st.tuples(moments, st.integers(0, 1_000_000))),
    st.lists(moments, min_size=1),
)
def test_a_row_that_commits_within_the_safe_lag_is_read_once(rows, clocks):
    """A row has its cursor when its transaction starts and is seen once that has ended, at most a second later."""
    rule = Rule(column="at", kind="timestamptz", safe_lag=1.0)
    since, read = None, []
    for clock in [*sorted(clocks), NOON + timedelta(hours=1)]:
        planned = plan(rule, since, now=clock)
        read += [
            row for row in rows if row[0] + timedelta(microseconds=row[1]) <= clock and holds(planned.span, row[0])
        ]
        since = planned.after
    assert sorted(read) == sorted(rows)


values = {
    "integer": st.integers(-3, 20),
    "numeric": st.decimals(0, 2, places=2),
    "text": st.text("aZé\U0001f600", max_size=2),
}


@pytest.mark.parametrize("kind", values)
@given(data=st.data())
def test_growing_values_are_read_once(kind, data):
    batches = data.draw(st.lists(st.lists(values[kind]), max_size=5))
    rule, since, there, read = Rule(column="n", kind=kind), None, [], []
    for arriving in batches:
        # what comes later is greater than all that is there
        there += [v for v in arriving if not there or v > max(there)]
        highest = max(there, default=None)
        planned = plan(rule, since, now=NOON, highest=None if highest is None else str(highest))
        read += [v for v in there if holds(planned.span, v)]
        since = planned.after
    assert sorted(read) == sorted(there)


@given(
    st.lists(st.dates(date(2024, 1, 1), date(2024, 1, 9))),
    st.lists(st.datetimes(datetime(2024, 1, 1), datetime(2024, 1, 9))),
)
def test_the_rows_of_a_day_are_read_once_it_is_over(days, clocks):
    rule, since, read = Rule(column="day", kind="date", zone="Asia/Tokyo"), None, []
    for clock in [*sorted(clocks), datetime(2024, 1, 11)]:
        now = clock.replace(tzinfo=ZoneInfo("Asia/Tokyo"))
        planned = plan(rule, since, now=now)
        read += [d for d in days if d <= clock.date() and holds(planned.span, d)]
        since = planned.after
    assert sorted(read) == sorted(days)


@given(st.integers(0, 4 * 3600), st.integers(0, 4 * 3600))
def test_clocks_that_are_put_back_lose_no_row(first, second):
    """Berlin's clocks went back at 01:00 UTC on 2024-10-27."""
    start, berlin = datetime(2024, 10, 27, 0, tzinfo=UTC) - timedelta(hours=1), "Europe/Berlin"
    planned_at, written_at = sorted((start + timedelta(seconds=first), start + timedelta(seconds=second)))
    shown = written_at.astimezone(ZoneInfo(berlin)).replace(tzinfo=None)
    assert wall(planned_at, berlin) <= shown


@given(st.lists(moments), st.lists(moments, min_size=1))
def test_the_clock_of_the_server_may_go_back(rows, clocks):
    rule, since, read = Rule(column="at", kind="timestamptz"), None, []
    for clock in clocks:
        planned = plan(rule, since, now=clock)
        read += [row for row in rows if holds(planned.span, row)]
        since = planned.after
    assert sorted(read) == sorted(row for row in rows if row < max(clocks))


def test_an_empty_window_stays_where_it_was():
    rule = Rule(column="n", kind="integer")
    first = plan(rule, None, now=NOON, highest="0")
    assert (first.span.lower, first.span.upper) == (None, "1")
    second = plan(rule, first.after, now=NOON, highest="0")
    assert second.span is None
    assert second.after == first.after


def test_a_table_without_rows_has_no_window_and_no_cursor():
    planned = plan(Rule(column="n", kind="integer"), None, now=NOON, highest=None)
    assert planned.span is None
    assert planned.after is None


def test_of_two_runs_that_start_at_one_place_both_have_one_name():
    rule = Rule(column="at", kind="timestamptz")
    one = plan(rule, None, now=NOON)
    other = plan(rule, None, now=NOON + timedelta(hours=1))
    assert one.fingerprint == other.fingerprint
    assert plan(rule, one.after, now=NOON + timedelta(hours=2)).fingerprint != one.fingerprint


def test_a_microsecond_is_kept():
    after = plan(Rule(column="at", kind="timestamptz"), None, now=NOON + timedelta(microseconds=1)).after
    assert after.value == {"column": "at", "value": "2024-05-01T12:00:00.000001+00:00", "type": "timestamptz"}


@pytest.mark.parametrize(
    ("kind", "start", "lookback", "lower"),
    [
        ("timestamptz", "2024-05-01T12:00:00+00:00", 90.5, "2024-05-01T11:58:29.500000+00:00"),
        ("timestamp", "2024-05-01T12:00:00", 60, "2024-05-01T11:59:00.000000"),
        ("date", "2024-05-01", 86_400, "2024-04-30"),
        ("date", "2024-05-01", 3_600, "2024-04-30"),
        ("integer", "100", 10, "90"),
        ("numeric", "1.5", 0.1, "1.4"),
        ("timestamptz", "0001-01-01T00:00:00+00:00", 60, None),
    ],
)
def test_a_window_looks_back(kind, start, lookback, lower):
    since = Cursor(value={"column": "c", "value": start, "type": kind})
    planned = plan(Rule(column="c", kind=kind, lookback=lookback), since, now=NOON, highest="200")
    assert planned.span.lower == lower
    assert not planned.span.after_lower


def test_the_first_window_starts_where_the_job_says_that_value_included():
    planned = plan(Rule(column="n", kind="numeric", start="5"), None, now=NOON, highest="9")
    assert holds(planned.span, Decimal(5))
    assert not holds(planned.span, Decimal("4.9"))


@pytest.mark.parametrize(
    ("kind", "highest", "value"),
    [
        ("timestamptz", NOON, "2024-05-01T12:00:00.000001+00:00"),
        ("timestamp", datetime(2024, 5, 1), "2024-05-01T00:00:00.000001"),
        ("timestamp", NOON, "2024-05-01T14:00:00.000001"),
        ("date", date(2024, 5, 1), "2024-05-02"),
        ("integer", 7, "8"),
        ("integer", Decimal(7), "8"),
        ("numeric", Decimal("7.50"), "7.50"),
        ("text", "x", "x"),
    ],
)
def test_a_stream_goes_on_behind_the_highest_value_of_its_table(kind, highest, value):
    found = resumed(Rule(column="c", kind=kind, zone="Europe/Berlin"), highest)
    assert found.value["value"] == value


@pytest.mark.parametrize(
    "rule",
    [
        Rule(column="n", kind="integer", safe_lag=5),
        Rule(column="t", kind="text", lookback=5),
        Rule(column="n", kind="integer", start="2024-01-01"),
        Rule(column="n", kind="numeric", start="NaN"),
    ],
)
def test_an_option_that_has_no_meaning_is_refused(rule):
    with pytest.raises(ConfigurationError, match="CURSOR_UNUSABLE"):
        plan(rule, None, now=NOON, highest="3")


@pytest.mark.parametrize(
    "value", [{"column": "other", "value": "1"}, {"column": "n", "value": "x"}, {"column": "n", "value": 1.5}]
)
def test_a_cursor_of_something_else_is_refused(value):
    with pytest.raises(ConfigurationError, match="CURSOR_UNUSABLE"):
        plan(Rule(column="n", kind="integer"), Cursor(value=value), now=NOON, highest="3")


@pytest.mark.parametrize(
    ("kind", "zone", "lower", "upper"),
    [
        ("timestamptz", "UTC", "2024-03-30T23:00:00.000000+00:00", "2024-03-31T22:00:00.000000+00:00"),
        ("timestamp", "UTC", "2024-03-30T23:00:00.000000", "2024-03-31T22:00:00.000000"),
        ("timestamp", "Europe/Berlin", "2024-03-31T00:00:00.000000", "2024-04-01T00:00:00.000000"),
        ("date", "UTC", "2024-03-31", "2024-04-01"),
    ],
)
def test_a_day_of_berlin_is_what_the_column_has_of_it(kind, zone, lower, upper):
    span = slice_span("c", kind, "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00", zone)
    assert (span.lower, span.upper) == (lower, upper)


@pytest.mark.parametrize("kind", ["integer", "text", "date"])
def test_an_hour_needs_a_column_that_has_hours(kind):
    with pytest.raises(ConfigurationError, match="CURSOR_UNUSABLE"):
        slice_span("c", kind, "2024-03-31T05:00:00+00:00", "2024-03-31T06:00:00+00:00", "UTC")


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
@pytest.mark.parametrize(("places", "told"), [(0, 0), (1, 900_000), (3, 987_000), (6, 987_654)])
def test_a_window_ends_where_no_later_row_can_get_a_time_before(kind, places, told):
    """A row that is written right after the plan gets a time that the column cuts off; it is of the next window."""
    planned = plan(Rule(column="at", kind=kind, places=places), None, now=NOON.replace(microsecond=987_654))
    assert datetime.fromisoformat(planned.span.upper).microsecond == told
    assert not holds(planned.span, datetime.fromisoformat(planned.span.upper))
