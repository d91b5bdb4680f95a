"""Merge, history and slices in a database: what `merging` promises of files holds here too."""

from datetime import date, datetime, timedelta, timezone

import pytest

from dativo_dagster.config.job import Merge, Slice
from dativo_dagster.tables.sql import duckdb
from dativo_ingest.exceptions import ConfigurationError, ValidationError
from tests.unit.tables.test_merge import (  # noqa: F401 - what holds for every table, here too
    START,
    Lake,
    lake,
    row,
    test_a_column_that_came_later_is_null_in_rows_that_are_written_again,
    test_a_full_read_deletes_what_it_does_not_have,
    test_a_merge_of_nothing_into_nothing_is_a_commit,
    test_a_run_is_merged_once_however_often_it_is_committed,
    test_a_run_that_cannot_be_merged_leaves_the_table_as_it_is,
    test_a_slice_makes_room_for_the_rows_of_its_run_and_no_others,
    test_a_wide_table_is_merged,
    test_an_append_and_a_merge_that_meet_leave_the_rows_of_both,
    test_history_by_the_time_of_the_run,
    test_history_is_kept_in_tables_of_both_kinds,
    test_random_runs_leave_what_a_dict_would,
)


@pytest.fixture
def kind():
    return duckdb


def test_the_last_row_by_order_counts_also_against_the_tables_own(kind):
    table = Lake(kind)
    table.put([row(1, 5, "five"), row(2, 5, "five")])
    snapshot = table.put([row(1, 3, "late"), row(2, 5, "tie"), row(2, 4, "early"), row(3, 1, "new")])
    assert table.told() == [(1, 5, "five"), (2, 5, "tie"), (3, 1, "new")]
    assert snapshot.replaced_rows == 1


def test_a_row_without_order_is_below_all_others(kind):
    table = Lake(kind)
    table.put([row(1, None, "none"), row(2, 1, "one")])
    table.put([row(1, 0, "zero"), row(2, None, "none")])
    assert table.told() == [(1, 0, "zero"), (2, 1, "one")]


def test_nan_is_below_all_numbers(kind):
    table = Lake(kind, {"id": "int64!", "v": "double", "name": "string"})
    table.put([{"id": 1, "v": 1.0, "name": "one"}, {"id": 2, "v": float("nan"), "name": "nan"}])
    table.put([{"id": 1, "v": float("nan"), "name": "nan"}, {"id": 2, "v": -1.0, "name": "minus"}])
    assert [r["name"] for r in table.rows()] == ["one", "minus"]


def test_deletions_by_flag_take_rows_away(kind):
    merge = Merge(key=("id",), order_by="v", deleted_column="gone")
    table = Lake(kind, {"id": "int64!", "v": "int64", "name": "string", "gone": "boolean"}, merge=merge)
    table.put([{"id": n, "v": 1, "name": "", "gone": None} for n in range(3)])
    rows = [(0, 2, True), (1, 0, True), (2, 2, False), (9, 1, True)]
    table.put([{"id": n, "v": v, "name": "", "gone": gone} for n, v, gone in rows])
    assert [r["id"] for r in table.rows()] == [1, 2]


def test_a_deletion_by_a_column_that_is_not_boolean(kind):
    merge = Merge(key=("id",), deleted_column="day")
    table = Lake(kind, merge=merge)
    table.put([{**row(1), "day": None}, {**row(2), "day": None}])
    table.put([{**row(1), "day": date(2026, 1, 1)}])
    assert [r["id"] for r in table.rows()] == [2]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row(1, 1, "a"), row(1, 1, "b")], "MERGE_DUPLICATE_KEYS"),
        ([{**row(1), "id": None}], "MERGE_NULL_KEY"),
    ],
)
def test_rows_of_which_nobody_can_say_what_they_mean_are_refused(kind, rows, code):
    table = Lake(kind, {"id": "int64", "v": "int64", "name": "string", "day": "date"})
    table.put([row(7)])
    with pytest.raises(ValidationError) as caught:
        table.put(rows)
    assert caught.value.error_code == code
    assert table.told() == [(7, 0, "")]


def test_equal_rows_with_one_key_are_one(kind):
    table = Lake(kind)
    table.put([row(1, 1, "a"), row(1, 1, "a")])
    assert table.told() == [(1, 1, "a")]


def test_missing_rows_are_deleted_only_in_the_slice_of_the_run(kind):
    table = Lake(kind, merge=Merge(key=("id",), delete_missing=True))
    table.put([row(n, day=n) for n in range(1, 6)], whole=True)
    part = Slice(key="d", column="day", lower="2026-01-02T00:00:00+00:00", upper="2026-01-04T00:00:00+00:00")
    table.put([row(2, 7, day=2)], slice=part)
    assert [(r["id"], r["v"]) for r in table.rows()] == [(1, 0), (2, 7), (4, 0), (5, 0)]


def test_rows_that_were_not_read_are_not_taken_for_deleted(kind):
    table = Lake(kind, merge=Merge(key=("id",), delete_missing=True))
    with pytest.raises(ConfigurationError) as caught:
        table.put([row(1)])
    assert caught.value.error_code == "MERGE_NOT_WHOLE"


def test_rows_outside_of_the_slice_of_a_run_are_refused(kind):
    table = Lake(kind, mode="overwrite", merge=None)
    part = Slice(key="d", column="day", lower="2026-01-02T00:00:00+00:00", upper="2026-01-04T00:00:00+00:00")
    with pytest.raises(ConfigurationError) as caught:
        table.put([row(1, day=9)], slice=part)
    assert caught.value.error_code == "OUTSIDE_SLICE"


def test_a_slice_of_named_values_replaces_their_rows(kind):
    table = Lake(kind, mode="overwrite", merge=None)
    table.put([row(1, name="it's"), row(2, name="b"), row(3, name="c")])
    table.put([row(9, name="it's")], slice=Slice(key="a", column="name", values=("it's", "b")))
    assert [r["id"] for r in table.rows()] == [3, 9]


def test_a_version_that_ends_keeps_every_column(kind):
    columns = {"id": "int64!", "at": "timestamptz", "tags": "list<string>", "d": "decimal(38,9)"}
    table = Lake(kind, columns, mode="scd2", merge=Merge(key=("id",), order_by="at"))
    first = {"id": 1, "at": START, "tags": ["a", None], "d": None}
    table.put([first])
    later = START + timedelta(hours=1)
    snapshot = table.put([{"id": 1, "at": later, "tags": [], "d": None}])
    held = table.rows()
    assert held[0] == {**first, "valid_from": START, "valid_to": later, "is_current": False}
    assert (held[1]["valid_to"], held[1]["is_current"]) == (None, True)
    assert snapshot.replaced_rows == 1


def test_a_history_that_did_not_change_is_not_touched(kind):
    table = Lake(kind, {"id": "int64!", "at": "timestamptz", "n": "int64"}, mode="scd2", merge=Merge(key=("id",)))
    table.put([{"id": 1, "at": START, "n": 1}], at=START)
    before = table.rows()
    assert table.put([{"id": 1, "at": START, "n": 1}], at=datetime(2027, 1, 1, tzinfo=timezone.utc)).replaced_rows == 0
    assert table.rows() == before
