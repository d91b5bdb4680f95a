"""Parts of a partitioned job from the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.fakes import parted

JOB = """\
name: orders
tenant: acme
source: {connector: sqlalchemy, database: shop.db, table: orders}
target: {connector: parquet, warehouse: lake, table: shop.orders}
contract: {name: orders, schema: [{name: id, type: int64}, {name: at, type: timestamptz}, {name: kind, type: string}]}
partitions: {column: at, every: day, start: 2026-01-01, end: 2026-01-05}
"""


@pytest.fixture
def parts(desk, monkeypatch):
    """A job of four days with two rows each."""
    parted.use(monkeypatch)
    (desk.path / "jobs" / "orders.yaml").write_text(JOB)
    with closing(sqlite3.connect(desk.path / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER, at TEXT, kind TEXT)")
        rows = [(day * 2 + n, f"2026-01-0{day}T0{n}:00:00+00:00", "a") for day in range(1, 5) for n in range(2)]
        db.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    return desk


def outcomes(answer):
    return [(s["partition"], s["status"], s["counts"]["written"]) for s in answer.json["streams"]]


def test_parts_are_run_by_name_by_span_or_because_they_are_missing(parts):
    one = parts("run", "orders", "--partition", "2026-01-03", "--json")
    assert outcomes(one) == [("2026-01-03", "committed", 2)]
    some = parts("run", "orders", "--partitions", "2026-01-02..2026-01-03", "--json")
    assert outcomes(some) == [("2026-01-02", "committed", 2), ("2026-01-03", "already_committed", 0)]
    rest = parts("run", "orders", "--missing", "--parallel", "4", "--json")
    assert outcomes(rest) == [("2026-01-01", "committed", 2), ("2026-01-04", "committed", 2)]
    none = parts("run", "orders", "--missing", "--json")
    assert (none.code, none.json["streams"]) == (0, [])
    assert "no partition is missing" in parts("run", "orders", "--missing").out


def test_a_summary_and_the_events_name_the_parts(parts):
    answer = parts("run", "orders", "--partitions", "..2026-01-02")
    assert "orders 2026-01-01  committed" in answer.out
    assert answer.event("job_started")["partitions"] == ["2026-01-01", "2026-01-02"]
    commits = [e for e in answer.events if e.get("event_type") == "commit_success"]
    assert [e["partition"] for e in commits] == ["2026-01-01", "2026-01-02"]


def test_a_plan_is_of_a_part(parts):
    answer = parts("plan", "orders", "--partition", "2026-01-02", "--json")
    (plan,) = answer.json["streams"]
    assert (plan["partition"], plan["key"]) == ("2026-01-02", "acme.orders.orders@2026-01-02")
    assert "orders 2026-01-02 -> shop.orders" in parts("plan", "orders", "--partition", "2026-01-02").out


def test_a_partitioned_job_without_a_part_is_refused_and_says_how_to_name_one(parts):
    answer = parts("run", "orders")
    assert answer.code == 2
    assert (
        "--partition KEY, --partitions FIRST..LAST or --missing; the last one that has ended is 2026-01-04"
        in answer.err
    )
    assert "  NO_PARTITIONS: " in answer.err
    assert not (parts.path / "lake").exists()


def test_a_folder_runs_what_is_missing_of_its_partitioned_jobs_and_the_others_whole(parts):
    parts.job("people")
    answer = parts("run", "--job-dir", "jobs", "--missing", "--json")
    assert [(job["job"], len(job["streams"])) for job in answer.json["jobs"]] == [("orders", 4), ("people", 1)]
    assert answer.code == 0


def test_a_job_without_parts_has_none_to_run(desk):
    desk.job("people")
    answer = desk("run", "people", "--partition", "2026-01-01")
    assert answer.code == 2
    assert "the job 'people' has no `partitions`" in answer.err


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_fewer_than_one_at_once_is_refused(parts, count):
    answer = parts("run", "orders", "--missing", f"--parallel={count}")
    assert answer.code == 2
    assert "is no number of 1 or more" in answer.err
