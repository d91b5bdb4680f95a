"""Runs of several streams, and of parts of them, without Dagster."""

from __future__ import annotations

import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline import jobs
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.pipeline.parts import Choice, chosen
from dativo_dagster.tables.iceberg.table import Table
from dativo_ingest.exceptions import CommitError, ConfigurationError
from tests.fakes import parted

DAYS = "partitions: {column: at, every: day, start: 2026-01-01}"
NOW = datetime(2026, 1, 9, 12, tzinfo=timezone.utc)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a job that reads some tables, and a database with three rows a day in each."""
    parted.use(monkeypatch)

    def write(*tables, source="", more=""):
        with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
            for table in tables:
                db.execute(f"CREATE TABLE {table} (id INTEGER, at TEXT, kind TEXT)")
                times = [(day, hour) for day in range(1, 9) for hour in range(3)]
                rows = [(day * 3 + hour, f"2026-01-{day:02}T0{hour}:00:00+00:00", "a") for day, hour in times]
                db.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
        path = tmp_path / "job.yaml"
        path.write_text(parted.job_of(tmp_path, tables, source=source, more=more))
        return load_job(path)

    return write


def ids(job, stream):
    table = open_table(job, job.stream(stream))
    return sorted(i for batch in table.scan() for i in batch.column("id").to_pylist())


def statuses(result):
    return {each.stream: each.status for each in result.streams}


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("bad", ["fails_in_split", "fails_in_read"])
def test_a_stream_that_fails_changes_nothing_of_the_others(write, bad, parallel):
    job = write("first", bad, "last")
    result = run_job(job, parallel=parallel)
    assert statuses(result) == {"first": "committed", bad: "failed", "last": "committed"}
    assert result.exit_code == 2
    assert ids(job, "first") == ids(job, "last") == list(range(3, 27))
    for name, known in (("first", True), (bad, False), ("last", True)):
        stream = job.stream(name)
        assert (open_table(job, stream).state(job.key(stream)) is not None) == known
    assert [r.error["error_code"] for r in result.streams if r.error] == ["CONNECTION_FAILED"]


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_commit_that_fails_is_of_its_stream_alone(write, monkeypatch, parallel):
    job = write("first", "second", "last")
    commit = Table.commit

    def refused(table, staged):
        if table.identifier.endswith("second"):
            raise CommitError("no", "COMMIT_REFUSED")
        return commit(table, staged)

    monkeypatch.setattr(Table, "commit", refused)
    result = run_job(job, parallel=parallel)
    assert statuses(result) == {"first": "committed", "second": "failed", "last": "committed"}
    assert open_table(job, job.stream("second")).state("acme.shop.second") is None
    monkeypatch.undo()
    parted.use(monkeypatch)
    again = run_job(job)
    assert statuses(again) == {"first": "already_committed", "second": "committed", "last": "already_committed"}


def test_parts_run_side_by_side_and_each_row_comes_once(write):
    job = write("orders", more=DAYS)
    parts = chosen(job, job.streams, Choice(missing=True), now=NOW)
    assert [each.slice.key for each in parts] == [f"2026-01-0{n}" for n in range(1, 9)]
    first = run_job(job, streams=parts[2:6], parallel=4)
    assert {(r.partition, r.status, r.counts.written) for r in first.streams} == {
        (f"2026-01-0{n}", "committed", 3) for n in range(3, 7)
    }
    left = chosen(job, job.streams, Choice(missing=True), now=NOW)
    assert [each.slice.key for each in left] == ["2026-01-01", "2026-01-02", "2026-01-07", "2026-01-08"]
    again = run_job(job, streams=parts, parallel=8)
    assert sorted(r.status for r in again.streams) == ["already_committed"] * 4 + ["committed"] * 4
    assert ids(job, "orders") == list(range(3, 27))
    assert chosen(job, job.streams, Choice(missing=True), now=NOW) == []


def test_a_part_that_fails_leaves_the_others_and_stays_missing(write, monkeypatch):
    job = write("orders", more=DAYS)
    split = parted.Reader.split

    def refuse_the_third(reader, stream, since):
        if reader.context.slice.key == "2026-01-03":
            raise ConfigurationError("no")
        return split(reader, stream, since)

    monkeypatch.setattr(parted.Reader, "split", refuse_the_third)
    result = run_job(job, streams=chosen(job, job.streams, Choice(missing=True), now=NOW), parallel=2)
    assert [r.partition for r in result.streams if r.status == "failed"] == ["2026-01-03"]
    (left,) = chosen(job, job.streams, Choice(missing=True), now=NOW)
    assert left.slice.key == "2026-01-03"


def test_what_is_missing_is_told_for_each_stream_by_itself(write):
    job = write("first", "second", more=DAYS)
    run_job(job, streams=chosen(job, job.streams[:1], Choice(span="..2026-01-07"), now=NOW))
    left = chosen(job, job.streams, Choice(missing=True), now=NOW)
    assert [(s.name, s.slice.key) for s in left if s.name == "first"] == [("first", "2026-01-08")]
    assert len(left) == 9


@pytest.mark.parametrize(
    ("choice", "keys"),
    [
        (Choice(keys=("2026-01-05", "2026-01-02", "2026-01-05")), ["2026-01-05", "2026-01-02"]),
        (Choice(span="2026-01-02..2026-01-04"), ["2026-01-02", "2026-01-03", "2026-01-04"]),
        (Choice(span="2026-01-07.."), ["2026-01-07", "2026-01-08"]),
        (Choice(span="..2026-01-02"), ["2026-01-01", "2026-01-02"]),
        (Choice(span="2026-01-02..2026-01-02", keys=("2026-01-02",)), ["2026-01-02"]),
    ],
)
def test_parts_are_chosen_by_name_or_from_one_to_another(write, choice, keys):
    job = write("orders", more=DAYS)
    assert [each.slice.key for each in chosen(job, job.streams, choice, now=NOW)] == keys


@pytest.mark.parametrize(
    ("choice", "code", "why"),
    [
        (Choice(), "NO_PARTITIONS", r"--partition KEY.*the last one that has ended is 2026-01-08"),
        (Choice(keys=("2025-01-01",)), "UNKNOWN_PARTITION", "they go from 2026-01-01"),
        (Choice(keys=("2026-01-09",)), "UNKNOWN_PARTITION", "it ends at 2026-01-10"),
        (Choice(span="2026-01-02..2026-01-09"), "UNKNOWN_PARTITION", "it ends at 2026-01-10"),
        (Choice(span="2026-01-05..2026-01-02"), "UNKNOWN_PARTITION", "the older one first"),
        (Choice(span="2026-01-05"), "UNKNOWN_PARTITION", "FIRST..LAST"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_what_to_do(write, choice, code, why):
    job = write("orders", more=DAYS)
    with pytest.raises(ConfigurationError, match=why) as caught:
        chosen(job, job.streams, choice, now=NOW)
    assert caught.value.error_code == code


def test_a_job_without_parts_has_none_to_choose(write):
    job = write("orders")
    assert chosen(job, job.streams, Choice()) == list(job.streams)
    with pytest.raises(ConfigurationError, match="has no `partitions`"):
        chosen(job, job.streams, Choice(missing=True))


@pytest.mark.parametrize("parallel", [1, 2])
def test_streams_that_ask_for_it_are_read_at_one_moment(write, monkeypatch, tmp_path, parallel):
    job = write("first", "second", source=", snapshot: job")
    read, written = parted.Reader.read, threading.Event()

    def read_and_write(reader, stream, unit):
        """Change the other table once the first is being read, as an application would."""
        if not written.is_set():
            written.set()
            with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
                db.execute("DELETE FROM first")
                db.execute("DELETE FROM second")
        return read(reader, stream, unit)

    monkeypatch.setattr(parted.Reader, "read", read_and_write)
    run_job(job, parallel=parallel)
    assert ids(job, "first") == ids(job, "second") == list(range(3, 27))
    (session,) = parted.Session.opened
    assert session.closed


def test_streams_that_do_not_ask_share_nothing(write):
    run_job(write("first", "second"))
    assert parted.Session.opened == []


def test_streams_of_two_databases_have_a_session_each(write, tmp_path):
    job = write("first", "second", source=", snapshot: job")
    text = job.path.read_text().replace("{table: second}", f"{{table: second, database: {tmp_path}/./shop.db}}")
    job.path.write_text(text)
    run_job(load_job(job.path))
    assert len(parted.Session.opened) == 2


def test_a_connector_that_cannot_share_says_so(write, monkeypatch):
    job = write("first", source=", snapshot: job")
    monkeypatch.delattr(parted, "open_session")
    (result,) = run_job(job).streams
    assert result.error["error_code"] == "SNAPSHOT_NOT_SHARED"


def test_a_server_that_cannot_share_says_so(write, monkeypatch):
    job = write("first", source=", snapshot: job")
    monkeypatch.setattr(parted.Session, "shared", None, raising=False)
    (result,) = run_job(job).streams
    assert "shares no snapshot between connections" in result.error["message"]


def test_an_interrupt_ends_parts_that_run_and_starts_no_other(write, monkeypatch):
    job = write("orders", more=DAYS)
    started, over, turn = [], threading.Event(), threading.Lock()
    split = parted.Reader.split

    class Threads(ThreadPoolExecutor):
        def shutdown(self, *args, **options):
            super().shutdown(wait=False, cancel_futures=True)
            over.set()
            super().shutdown(*args, **options)

    def interrupted_at_the_second(reader, stream, since):
        with turn:  # one of them is the second
            started.append(reader.context.slice.key)
            if len(started) == 2:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        over.wait()  # however long the main thread takes: a part that gave up would let the next one start
        return split(reader, stream, since)

    monkeypatch.setattr(jobs, "ThreadPoolExecutor", Threads)
    monkeypatch.setattr(parted.Reader, "split", interrupted_at_the_second)
    parts = chosen(job, job.streams, Choice(missing=True), now=NOW)
    with pytest.raises(KeyboardInterrupt):
        run_job(job, streams=parts, parallel=2)
    assert sorted(started) == ["2026-01-01", "2026-01-02"]
    assert open_table(job, job.streams[0]).states() == {}


def test_a_part_of_which_the_source_has_nothing_left_is_deleted_with_what_is_missing(write, tmp_path):
    write("orders", more=DAYS)
    path = tmp_path / "job.yaml"
    merge = "connector: iceberg\n  mode: merge\n  key: [id]\n  delete_missing: true\n"
    path.write_text(path.read_text().replace("connector: iceberg\n", merge))
    job = load_job(path)
    parts = chosen(job, job.streams, Choice(span="2026-01-01..2026-01-02"), now=NOW)
    run_job(job, streams=parts)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("DELETE FROM orders WHERE at < '2026-01-02'")
    (result,) = run_job(job, streams=parts[:1]).streams
    assert result.status == "committed"
    assert ids(job, "orders") == [6, 7, 8]
