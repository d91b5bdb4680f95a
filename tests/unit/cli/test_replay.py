"""``dativo replay``: by a mended contract, by mended rows."""

from __future__ import annotations

import json

import pytest

ROWS = "id,email\n1,a@x\n2,b\n3,c\n"


@pytest.fixture
def ran(desk):
    desk.job(rows=ROWS, validation="quarantine")
    assert desk("run", "people").code == 1
    return desk


def test_nothing_in_quarantine_is_well(desk):
    desk.job()
    assert desk("run", "people").code == 0
    answer = desk("replay", "people")
    assert (answer.code, answer.out) == (0, "people: nothing is in quarantine\n")


def test_rows_that_are_still_wrong_are_said_with_their_rule(ran):
    answer = ran("replay", "people")
    assert answer.code == 1
    assert "0 rows landed in shop.people, 2 stay" in answer.out
    assert "email_pattern: 2 rows" in answer.out


def test_a_mended_contract_lets_the_rows_in(ran):
    job = ran.path / "jobs" / "people.yaml"
    job.write_text(job.read_text().replace('"@"', '"."'))
    assert "2 rows would land" in ran("replay", "people", "--dry-run").out
    answer = ran("replay", "people", "--json")
    assert answer.code == 0
    (stream,) = answer.json["streams"]
    assert (stream["status"], stream["landed"], stream["remaining"]) == ("replayed", 2, 0)
    (whole, replay) = ran("state", "show", "people", "--json").json["states"]
    assert (whole["part"], replay["part"], replay["state"]["token"]) == ("", "replay", stream["token"])


def test_rows_are_mended_in_a_file(ran):
    answer = ran("replay", "people", "--export", "rows.jsonl")
    assert answer.out == "2 rows of people written to rows.jsonl\n"
    lines = [json.loads(line) for line in (ran.path / "rows.jsonl").read_text().splitlines()]
    lines[0]["record"]["email"] = "b@x"
    lines[1] |= {"drop": True, "reason": "a test"}
    (ran.path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    answer = ran("replay", "people", "--fixed", "rows.jsonl")
    assert answer.code == 0
    assert answer.out == "people: 1 row landed in shop.people, 1 row dropped, 0 stay\n"

    again = ran("replay", "people", "--fixed", "rows.jsonl")
    assert again.code == 2
    assert "UNKNOWN_FIX" in again.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["people", "--fixed", "nothing.jsonl"], "NO_SUCH_FILE"),
        (["people", "--stream", "lines"], "NO_SUCH_STREAM"),
    ],
)
def test_what_is_not_there_is_refused(ran, arguments, code):
    answer = ran("replay", *arguments)
    assert answer.code == 2
    assert code in answer.err
