"""Parts of a PostgreSQL table into one Iceberg table: processes side by side, each part once, replaced or merged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.pipeline.parts import Choice, chosen

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ROWS = 50
DAYS = [f"2026-03-{day:02}" for day in range(26, 32)] + ["2026-04-01", "2026-04-02"]
JOB = """\
name: shop
tenant: acme
source: {{connector: postgres, host: 127.0.0.1, port: {port}, user: postgres, database: {database}{source}}}
target:
  connector: iceberg
  mode: {mode}
  catalog: {{type: sql, uri: "{catalog}", warehouse: "file://{root}/lake"}}
streams:
{streams}
contract:
  name: shop
  schema:
    - {{name: id, type: int64, required: true, primary_key: true}}
    - {{name: at, type: timestamptz}}
    - {{name: kind, type: string}}
{more}
"""
# In Berlin: the day of the 29th has 23 hours, so that a window in UTC would move rows to its neighbours.
BY_DAY = "partitions: {column: at, every: day, start: 2026-03-26, end: 2026-04-03, timezone: Europe/Berlin}"


class Shop:
    """A database with orders of eight days, and the job that moves them."""

    def __init__(self, pg, root: Path) -> None:
        self.pg, self.root = pg, root
        self.database = pg.create_database().rpartition("/")[2]
        self.catalog = pg.create_database()
        self.jobs = root / "jobs"
        self.jobs.mkdir()
        self.path = self.jobs / "shop.yaml"
        for table in ("orders", "lines"):
            self.sql(f"CREATE TABLE {table} (id bigint PRIMARY KEY, at timestamptz, kind text)")
            self.sql(
                f"""INSERT INTO {table} SELECT n, ('2026-03-26'::timestamp + n * interval '8 days' / {ROWS * 8})
                AT TIME ZONE 'Europe/Berlin', CASE WHEN n % 5 = 0 THEN 'returned' ELSE 'sold' END
                FROM generate_series(0, {ROWS * 8 - 1}) AS n"""
            )

    def sql(self, text: str) -> None:
        with psycopg2.connect(host="127.0.0.1", port=self.pg.port, user="postgres", dbname=self.database) as connection:
            connection.cursor().execute(text)
        connection.close()

    def write(self, *tables: str, mode="append", source="", more=BY_DAY):
        lines = [f"  - {{name: {t}, source: {{tables: {t}}}, target: {{table: shop.{t}}}}}" for t in tables]
        facts = {"port": self.pg.port, "database": self.database, "catalog": self.catalog, "root": self.root}
        self.path.write_text(JOB.format(mode=mode, streams="\n".join(lines), source=source, more=more, **facts))
        return load_job(self.path)

    def rows(self, stream="orders") -> dict[int, str]:
        """Give the kinds in the table by id; an id that is there twice fails."""
        job = load_job(self.path)
        table = open_table(job, job.stream(stream))
        pairs = [(r["id"], r["kind"]) for batch in table.scan() for r in batch.select(["id", "kind"]).to_pylist()]
        assert len(pairs) == len(dict(pairs))
        return dict(pairs)


@pytest.fixture
def shop(pg, tmp_path):
    return Shop(pg, tmp_path)


def run_all(job, parallel=4, **choice):
    result = run_job(job, streams=chosen(job, job.streams, Choice(**choice or {"missing": True})), parallel=parallel)
    assert not [r.error for r in result.streams if r.error]
    return [(r.partition, r.status, r.counts.written) for r in result.streams]


def test_processes_side_by_side_make_one_table_and_each_row_comes_once(shop):
    """As the runs of a backfill do; Dagster's own are in tests/ui."""
    shop.write("orders")
    command = [sys.executable, "-m", "dativo_dagster.cli", "run", str(shop.path), "--json", "--partition"]
    processes = [subprocess.Popen([*command, day], cwd=ROOT, stdout=subprocess.PIPE, text=True) for day in DAYS]
    said = [json.loads(process.communicate(timeout=240)[0]) for process in processes]
    streams = [stream for each in said for stream in each["streams"]]
    assert [(s["partition"], s["status"]) for s in streams] == [(day, "committed") for day in DAYS], said
    assert [s["counts"]["written"] for s in streams] == [ROWS] * 8
    assert set(shop.rows()) == set(range(ROWS * 8))
    job = load_job(shop.path)
    assert set(open_table(job, job.streams[0]).states()) == {f"acme.shop.orders@{day}" for day in DAYS}


def test_a_part_that_is_appended_again_is_recognised(shop):
    job = shop.write("orders")
    assert sum(written for *_, written in run_all(job)) == ROWS * 8
    again = run_all(job, keys=("2026-03-29", "2026-03-30"))
    assert [status for _, status, _ in again] == ["already_committed"] * 2
    assert len(shop.rows()) == ROWS * 8


def test_a_part_that_is_overwritten_again_replaces_its_own_rows_alone(shop):
    job = shop.write("orders", mode="overwrite")
    run_all(job)
    shop.sql("UPDATE orders SET kind = 'lost'")
    shop.sql("DELETE FROM orders WHERE id % 2 = 0")
    before = shop.rows()
    assert [status for _, status, _ in run_all(job, keys=("2026-03-29",))] == ["committed"]
    changed = {id_: kind for id_, kind in shop.rows().items() if kind == "lost"}
    gone = set(before) - set(shop.rows())
    assert set(changed) == {n for n in range(150, 200) if n % 2}
    assert gone == {n for n in range(150, 200) if n % 2 == 0}


def test_a_part_that_is_merged_again_changes_what_changed(shop):
    job = shop.write("orders", mode="merge")
    run_all(job)
    run_all(job, keys=tuple(DAYS))
    assert len(shop.rows()) == ROWS * 8
    shop.sql("UPDATE orders SET kind = 'lost' WHERE id = 160")
    run_all(job, keys=("2026-03-29",))
    assert [id_ for id_, kind in shop.rows().items() if kind == "lost"] == [160]
    assert len(shop.rows()) == ROWS * 8


def test_parts_by_value(shop):
    job = shop.write("orders", more="partitions: {column: kind, keys: [sold, returned]}")
    assert run_all(job) == [("sold", "committed", ROWS * 8 * 4 // 5), ("returned", "committed", ROWS * 8 // 5)]
    assert len(shop.rows()) == ROWS * 8


@pytest.mark.parametrize("where", ["command", "dagster"])
def test_the_streams_of_a_run_see_the_database_at_one_moment(shop, where, monkeypatch):
    """The second table is emptied while the first is read."""
    from dativo_dagster.connectors.sql.reader import SqlReader

    job = shop.write("orders", "lines", source=", snapshot: job", more="")
    read = SqlReader.read

    def read_and_empty(reader, stream, unit):
        if stream.name == "orders":
            shop.sql("DELETE FROM lines")
        return read(reader, stream, unit)

    monkeypatch.setattr(SqlReader, "read", read_and_empty)
    if where == "command":
        assert run_job(job).exit_code == 0
    else:
        made = build_definitions(shop.jobs).resolve_job_def("ingest__acme__shop")
        with dg.DagsterInstance.ephemeral(tempdir=str(shop.root)) as instance:
            assert made.execute_in_process(instance=instance).success
    assert len(shop.rows("lines")) == len(shop.rows("orders")) == ROWS * 8
