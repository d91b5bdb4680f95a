"""``dativo state``: shown, set, reset, and what runs make of it."""

from __future__ import annotations

import pytest


@pytest.fixture
def ran(desk):
    desk.job()
    assert desk("run", "people").code == 0
    return desk


def ids(desk):
    import pyarrow.parquet as pq

    files = [f for f in (desk.path / "lake").rglob("*.parquet") if "_dativo" not in f.parts]
    return sorted(i for f in files for i in pq.read_table(f)["id"].to_pylist())


def test_a_stream_that_never_ran_has_no_state(desk):
    desk.job()
    answer = desk("state", "show", "people")
    assert answer.code == 0
    assert "never" in answer.out


def test_what_the_table_remembers_is_shown(ran):
    answer = ran("state", "show", "people")
    assert "people.csv" in answer.out
    (entry,) = ran("state", "show", "people", "--json").json["states"]
    assert (entry["key"], entry["part"], entry["table"]) == ("acme.people.people", "", "shop.people")
    assert len(entry["state"]["token"]) == 24
    assert list(entry["state"]["cursor"]["value"]["files"]) == ["data/people.csv"]


def test_a_reset_lets_the_next_run_read_all_again_and_is_in_the_audit_trail(ran):
    answer = ran("state", "reset", "people", "--reason", "the table was mended", "--by", "ana", "--yes")
    assert answer.code == 0, answer.err
    assert "none: all is read" in answer.out
    assert "none: all is read" in ran("state", "show", "people").out

    assert ran("run", "people").code == 0
    assert ids(ran) == [1, 1, 2, 2, 3, 3]
    assert ran("run", "people").code == 0
    assert ids(ran) == [1, 1, 2, 2, 3, 3]
    history = ran("state", "show", "people", "--history").out
    assert "ana" in history
    assert "the table was mended" in history


def test_a_reset_of_an_append_asks_whether_rows_may_come_twice(ran):
    answer = ran("state", "reset", "people", "--reason", "try")
    assert answer.code == 2
    assert "comes in a second time" in answer.err
    assert "NOT_CONFIRMED" in answer.err
    assert "nobody changed" in ran("state", "show", "people", "--history").out


def test_a_cursor_taken_from_show_can_be_set_again(ran):
    import json

    (entry,) = ran("state", "show", "people", "--json").json["states"]
    cursor = entry["state"]["cursor"]["value"]
    assert ran("state", "reset", "people", "--reason", "try", "--yes").code == 0
    answer = ran("state", "set", "people", "--cursor", json.dumps(cursor), "--reason", "it was right", "--json")
    assert answer.json["action"] == "set"
    assert "@" in answer.json["by"]
    assert ran("run", "people").code == 0
    assert ids(ran) == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["set", "people", "--cursor", "2026-01-01", "--reason", "x"], "BAD_CURSOR"),
        (["set", "people", "--cursor", "[1]", "--reason", "x"], "BAD_CURSOR"),
        (["set", "people", "--cursor", "{}", "--reason", " "], "BAD_OPTION"),
        (["reset", "people", "--partition", "2026-01", "--reason", "x"], "NO_PARTITIONS"),
        (["reset", "people", "--stream", "lines", "--reason", "x"], "NO_SUCH_STREAM"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(ran, arguments, code):
    answer = ran("state", *arguments)
    assert answer.code == 2
    assert code in answer.err


def test_a_state_without_a_table_has_no_place(desk):
    desk.job()
    answer = desk("state", "set", "people", "--cursor", "{}", "--reason", "x")
    assert answer.code == 2
    assert "NO_TABLE" in answer.err
