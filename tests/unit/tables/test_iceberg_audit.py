"""Audited commits of an Iceberg table: on a branch until they are published."""

from datetime import datetime, timedelta, timezone

import pytest
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

from dativo_dagster.tables.iceberg import Config, Table
from tests.fakes.flaky import Flaky
from tests.fakes.lake import KEY, ROWS, ids, put, spec, stage, token

AUDITED = spec(audited=True)


@pytest.fixture(autouse=True)
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))


def open_table(a_spec=AUDITED):
    return Table(Config(), a_spec)


def flaky_table(*steps):
    table = open_table()
    table._catalog = Flaky(table._catalog, steps)
    return table


def branches():
    return set(open_table()._load().metadata.refs) - {"main"}


def on_branch(letter):
    return open_table()._load().scan().use_ref(f"dativo-{token(letter)}").to_arrow().num_rows


@pytest.mark.parametrize("before", [0, 3], ids=["new table", "table with rows"])
def test_rows_are_seen_on_the_branch_and_in_main_only_once_published(before):
    if before:
        put(open_table(spec()), spec(), ROWS, token("0"))
    staged = stage(open_table(), AUDITED, ROWS, token("a"), cursor=7)

    waiting = open_table().commit(staged)

    assert (waiting.branch, waiting.rows, waiting.fresh) == (f"dativo-{token('a')}", 3, True)
    assert len(ids(open_table())) == before
    assert on_branch("a") == before + 3
    assert open_table().committed(token("a")) is None
    assert getattr(open_table().state(KEY), "token", None) == (token("0") if before else None)

    done = open_table().publish(staged, waiting)

    assert (done.id, done.branch, done.rows, done.fresh) == (waiting.id, "", 3, True)
    assert len(ids(open_table())) == before + 3
    assert open_table().state(KEY).cursor.value == {"at": 7}
    assert open_table().committed(token("a")).id == waiting.id
    assert branches() == set()


def test_a_main_that_moved_during_the_audit_gets_the_commit_on_top():
    staged = stage(open_table(), AUDITED, ROWS, token("a"), cursor=1)
    waiting = open_table().commit(staged)
    put(open_table(spec()), spec(), [{**ROWS[0], "id": 9}], token("b"))

    done = open_table().publish(staged, waiting)

    assert done.fresh
    assert done.id != waiting.id
    assert ids(open_table()) == [1, 2, 3, 9]
    assert branches() == set()
    assert open_table().state(KEY).token == token("a")


def test_publishing_twice_or_by_two_runs_is_one_commit():
    staged = stage(open_table(), AUDITED, ROWS, token("a"))
    first = open_table().commit(staged)
    second = open_table().commit(staged)
    assert first.id != second.id

    assert open_table().publish(staged, first).fresh
    assert not open_table().publish(staged, second).fresh
    assert not open_table().publish(staged, first).fresh
    assert not open_table().commit(staged).branch
    assert ids(open_table()) == [1, 2, 3]
    assert branches() == set()


def test_a_left_branch_of_the_same_window_is_replaced_and_told(caplog):
    open_table().commit(stage(open_table(), AUDITED, ROWS, token("a")))
    again = stage(open_table(), AUDITED, ROWS[:1], token("a"))

    with caplog.at_level("INFO"):
        waiting = open_table().commit(again)

    assert on_branch("a") == 1
    assert any("replaced" in record.message for record in caplog.records)
    open_table().publish(again, waiting)
    assert ids(open_table()) == [1]


def test_a_branch_that_was_dropped_during_the_audit_is_no_loss():
    put(open_table(spec()), spec(), ROWS[:1], token("0"))
    staged = stage(open_table(), AUDITED, ROWS[1:], token("a"))
    waiting = open_table().commit(staged)
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    assert open_table().drop_branches(later).names == (waiting.branch,)
    open_table().expire(later, keep=1)

    assert open_table().publish(staged, waiting).fresh
    assert ids(open_table()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("lands", "lost"),
    [
        (True, CommitStateUnknownException("500")),
        (False, CommitStateUnknownException("500")),
        (True, TimeoutError("slow")),
        (False, CommitFailedException("moved")),
    ],
)
def test_an_answer_that_is_lost_makes_neither_the_branch_nor_the_publication_twice(lost, lands):
    put(open_table(spec()), spec(), ROWS[:1], token("0"))
    staged = stage(open_table(), AUDITED, ROWS[1:], token("a"))

    waiting = flaky_table((lands, lost)).commit(staged)
    assert waiting.branch
    assert ids(open_table()) == [1]
    done = flaky_table((lands, lost)).publish(staged, waiting)

    assert done.fresh
    assert done.id == waiting.id
    assert ids(open_table()) == [1, 2, 3]
    assert branches() == set()


def test_files_of_a_branch_are_nobodys_orphans():
    open_table().commit(stage(open_table(), AUDITED, ROWS, token("a")))
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    assert open_table().orphans(later) == []


def test_the_reason_stays_with_a_rejected_branch_and_goes_with_it():
    staged = stage(open_table(), AUDITED, ROWS, token("a"))
    waiting = open_table().commit(staged)
    open_table().reject(waiting, "row_bounds: too few")
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    assert "row_bounds: too few" in open_table().drop_branches(later, dry_run=True).reason

    again = open_table().commit(staged)
    assert "row_bounds" not in open_table().drop_branches(later, dry_run=True).reason

    open_table().reject(again, "row_bounds: too few")
    open_table().publish(staged, again)
    assert not any(key.startswith("dativo.audit.") for key in open_table()._load().properties)


def test_dropping_a_branch_takes_its_reason_along():
    open_table().reject(open_table().commit(stage(open_table(), AUDITED, ROWS, token("a"))), "too few")
    open_table().drop_branches(datetime.now(timezone.utc) + timedelta(hours=1))
    assert not any(key.startswith("dativo.audit.") for key in open_table()._load().properties)
    assert branches() == set()
