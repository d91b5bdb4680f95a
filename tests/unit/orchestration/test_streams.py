"""Several streams in one Dagster run: one that fails is alone with it, and those that ask for it share a snapshot."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import dagster as dg
import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.tables.iceberg.table import Table
from dativo_ingest.exceptions import CommitError
from tests.fakes import parted

NAME = "ingest__acme__shop"
ALL = [1, 2, 3]


@pytest.fixture
def write(folder, monkeypatch):
    """Write a job that reads some tables, and a database with three rows in each."""
    parted.use(monkeypatch)
    root = folder.parent

    def write(*tables, source=""):
        with closing(sqlite3.connect(root / "shop.db")) as db, db:
            for table in tables:
                db.execute(f"CREATE TABLE {table} (id INTEGER, at TEXT, kind TEXT)")
                db.executemany(f"INSERT INTO {table} VALUES (?, '2026-01-01T00:00:00+00:00', 'a')", [(i,) for i in ALL])
        path = folder / "shop.yaml"
        path.write_text(parted.job_of(root, tables, source=source))
        return load_job(path)

    return write


def run(folder, instance):
    job = build_definitions(folder).resolve_job_def(NAME)
    return job.execute_in_process(instance=instance, raise_on_error=False)


def failures(result):
    """Give the code of each step that failed by itself."""
    return {
        e.step_key.removeprefix("acme__shop__"): e.step_failure_data.user_failure_data.metadata["code"].value
        for e in result.all_events
        if e.is_step_failure
    }


def see_that_only(bad, job, result, instance):
    """See that the other streams were committed, remembered, materialized and checked, and ``bad`` none of it."""
    checked = {e.asset_key.path[-1] for e in result.get_asset_check_evaluations()}
    for stream in job.streams:
        well = stream.name != bad
        table = open_table(job, stream)
        key = dg.AssetKey(["acme", "shop", stream.name])
        rows = sorted(i for batch in table.scan() for i in batch.column("id").to_pylist())
        assert rows == (ALL if well else [])
        assert (table.state(job.key(stream)) is not None) == well
        assert (instance.get_latest_materialization_event(key) is not None) == well
        assert (stream.name in checked) == well


@pytest.mark.parametrize(
    ("bad", "step"), [("fails_in_split", "plan"), ("fails_in_read", "extract_write"), ("fails_in_commit", "commit")]
)
def test_a_stream_that_fails_changes_nothing_of_the_others(folder, write, instance, monkeypatch, bad, step):
    commit = Table.commit

    def refused(table, staged):
        if table.identifier.endswith("fails_in_commit"):
            raise CommitError("no", "COMMIT_REFUSED")
        return commit(table, staged)

    monkeypatch.setattr(Table, "commit", refused)
    job = write("a_first", bad, "z_last")
    result = run(folder, instance)
    assert not result.success
    assert failures(result) == {f"{bad}.{step}": "COMMIT_REFUSED" if step == "commit" else "CONNECTION_FAILED"}
    see_that_only(bad, job, result, instance)


def test_rows_that_break_a_contract_fail_their_stream_alone(folder, write, instance):
    job = write("good", "bad")
    with closing(sqlite3.connect(folder.parent / "shop.db")) as db, db:
        db.execute("INSERT INTO bad VALUES ('four', '2026-01-01T00:00:00+00:00', 'a')")
    result = run(folder, instance)
    assert failures(result) == {"bad.extract_write": "VALIDATION_FAILED"}
    assert open_table(job, job.stream("bad")).state("acme.shop.bad") is None
    assert {
        e.asset_key.path[-1]: e.passed for e in result.get_asset_check_evaluations() if e.check_name == "schema"
    } == {"good": True}


def test_the_streams_of_a_run_are_read_at_one_moment(folder, write, instance, monkeypatch):
    job = write("first", "second", source=", snapshot: job")
    read = parted.Reader.read

    def read_and_delete(reader, stream, unit):
        """Empty both tables once one is being read, as an application would."""
        with closing(sqlite3.connect(folder.parent / "shop.db")) as db, db:
            db.execute("DELETE FROM first")
            db.execute("DELETE FROM second")
        return read(reader, stream, unit)

    monkeypatch.setattr(parted.Reader, "read", read_and_delete)
    result = run(folder, instance)
    assert result.success
    see_that_only(None, job, result, instance)
    (session,) = parted.Session.opened
    assert session.closed


def test_each_run_has_a_snapshot_of_its_own(folder, write, instance):
    write("first", source=", snapshot: job")
    assert run(folder, instance).success
    assert run(folder, instance).success
    assert len(parted.Session.opened) == 2


def test_a_step_that_is_not_served_by_the_session_of_its_plan_refuses(folder, write, tmp_path):
    """Here because it runs in a later run; with the multiprocess executor each step is in another process."""
    write("first", "second", source=", snapshot: job")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        first = run(folder, instance)
        again = dg.execute_job(
            dg.build_reconstructable_job("tests.fakes.rebuilt", "job", (str(folder), NAME), {}),
            instance=instance,
            reexecution_options=dg.ReexecutionOptions(first.run_id, step_selection=["acme__shop__first.extract_write"]),
        )
        assert failures(again) == {"first.extract_write": "SNAPSHOT_NOT_SHARED"}
