from __future__ import annotations

import re

import pytest
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.config.cron import check_cron, check_timezone


@pytest.mark.parametrize(
    "cron",
    ["0 3 * * *", "*/5 * * * *", "5/15 0 * * 1-5", "0 0 1,15 jan-jun MON", "0 0 29 2 *", "@daily", "0 0 * * fri-sun"],
)
def test_a_cron_that_comes_round_is_taken(cron):
    assert check_cron(cron) == cron


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("", "'' has 1 fields; a cron has five: minute hour day month weekday"),
        ("0 3 * *", "'0 3 * *' has 4 fields; a cron has five: minute hour day month weekday"),
        ("0 0 3 * * *", "'0 0 3 * * *' has 6 fields; a cron has five: minute hour day month weekday"),
        ("60 * * * *", "'60' is no minute; it goes from 0 to 59"),
        ("0 24 * * *", "'24' is no hour; it goes from 0 to 23"),
        ("0 0 0 * *", "'0' is no day of month; it goes from 1 to 31"),
        ("0 0 * foo *", "'foo' is no month; it goes from 1 to 12"),
        ("0 0 * * 8", "'8' is no day of week; it goes from 0 to 7"),
        ("*/0 * * * *", "'*/0' cannot stand as minute of a cron"),
        ("9-5 * * * *", "'9-5' cannot stand as minute of a cron"),
        ("a * * * *", "'a' cannot stand as minute of a cron"),
        ("1,, * * * *", "'' cannot stand as minute of a cron"),
        ("0 0 30 2 *", "'0 0 30 2 *' never comes: no such month has such a day"),
        ("@never", "'@never' is no schedule; known words are @hourly, @daily, @weekly, @monthly, @yearly"),
    ],
)
def test_a_cron_that_is_none_is_refused_by_field(cron, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cron(cron)


_number = st.integers(0, 61).map(str)
_item = st.one_of(st.just("*"), _number, st.builds("{}-{}".format, _number, _number), st.sampled_from(["mon", "Feb"]))
_field = st.lists(st.one_of(_item, st.builds("{}/{}".format, _item, _number)), min_size=1, max_size=2).map(",".join)


@given(st.lists(_field, min_size=5, max_size=5).map(" ".join) | st.text(alphabet="0123456789*/-, @adily", max_size=12))
def test_what_is_taken_here_dagster_takes_too(cron):
    try:
        cron = check_cron(cron)
    except ValueError:
        return
    assert is_valid_cron_string(cron)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"])
def test_a_zone_of_the_database_is_taken(zone):
    assert check_timezone(zone) == zone


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "Europe", "../../etc/passwd", "/etc/localtime", "\0", "x" * 999])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValueError, match="there is no time zone"):
        check_timezone(zone)


def test_the_zone_that_was_meant_is_proposed():
    with pytest.raises(ValueError, match="did you mean 'Europe/Berlin'"):
        check_timezone("Europe/Berln")
