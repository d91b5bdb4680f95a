"""Memory that somebody took away or spoilt: a run stops, says so, and appends nothing."""

from __future__ import annotations

import json
from contextlib import closing

import duckdb
import psycopg2
import pytest
from pyiceberg.catalog import load_catalog

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
from tests.reliability.deliveries import CATALOG, EVERYWHERE, MODES, Desk

KEY = "default.things.things"


def in_iceberg(desk, broken):
    catalog = load_catalog("dativo", type="sql", uri=f"sqlite:///{desk.place / CATALOG}")
    with catalog.load_table(desk.table).transaction() as change:
        if broken is None:
            change.remove_properties(f"dativo.state.{KEY}")
        else:
            change.set_properties({f"dativo.state.{KEY}": broken})
    catalog.close()


def in_a_folder(desk, broken):
    manifest = desk.place / "out/_dativo/manifest.json"
    head = json.loads(manifest.read_text())
    head["state"] = {} if broken is None else {KEY: broken}
    manifest.write_text(json.dumps(head))


def in_delta(desk, broken):
    for memory in desk.place.glob("lake/_dativo/state/*/*.json"):
        if broken is None:
            memory.unlink()
        else:
            memory.write_text(broken)


def statement(broken):
    table = "a._dativo_state"
    return f"DELETE FROM {table}" if broken is None else f"UPDATE {table} SET state = '{broken}'"


def in_duckdb(desk, broken):
    with closing(duckdb.connect(desk.place / "lake.duckdb")) as database:
        database.execute(statement(broken))


def in_postgres(desk, broken):
    url = json.loads(desk.target.options.split("url: ")[1].split(",")[0])
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement(broken))


SPOIL = {
    "iceberg": in_iceberg,
    "parquet": in_a_folder,
    "delta": in_delta,
    "duckdb": in_duckdb,
    "postgres": in_postgres,
}


@pytest.mark.parametrize("target", [pytest.param(name, marks=marks) for name, marks in EVERYWHERE.items()])
@pytest.mark.parametrize(
    ("broken", "code"), [(None, "STATE_MISSING"), ('{"token": ', "STATE_CORRUPT")], ids=["lost", "corrupt"]
)
def test_without_its_memory_a_run_appends_nothing(target, broken, code, tmp_path, monkeypatch, target_named):
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, MODES["append"], target_named(target))
    desk.lay_out()
    job = load_job(tmp_path / "job.yaml")
    assert run_job(job).streams[0].status == "committed"

    SPOIL[target](desk, broken)
    desk.deliver(2)
    (result,) = run_job(job).streams
    expected = "STATE_CORRUPT" if target == "delta" else code  # Delta's log says that there was one
    assert (result.status, result.error["error_code"]) == ("failed", expected)
    assert desk.lying().rows == desk.mode.before
    assert desk.lying().orphans == frozenset()
