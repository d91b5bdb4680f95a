"""Partitioned jobs in Dagster: keys, runs of one part, schedules."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone

import dagster as dg
import pytest

from dativo_dagster.config.job import Partitions, Schedule
from dativo_dagster.config.load import load_job
from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.orchestration.partitions import due
from dativo_dagster.pipeline.assemble import open_table
from tests.fakes import parted

NAME = "ingest__acme__shop"
ORDERS = dg.AssetKey(["acme", "shop", "orders"])
JOB = """\
name: shop
tenant: acme
source: {{connector: sqlalchemy, database: {root}/shop.db, table: orders{source}}}
target:
  connector: iceberg
  mode: {mode}
  catalog: {{type: sql, uri: "sqlite:///{root}/catalog.db", warehouse: "file://{root}/lake"}}
{streams}
contract:
  name: shop
  schema: [{{name: id, type: int64, required: true}}, {{name: at, type: timestamptz}}, {{name: kind, type: string}}]
partitions: {partitions}
{more}
"""
DAYS = "{column: at, every: day, start: 2026-01-01, end: 2026-01-09}"
ONE = "streams: [{name: orders, target: {table: shop.orders}}]"


@pytest.fixture
def write(folder, monkeypatch):
    """Write the job, over a database with three rows a day."""
    parted.use(monkeypatch)
    root = folder.parent
    with closing(sqlite3.connect(root / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER, at TEXT, kind TEXT)")
        times = [(day, hour) for day in range(1, 9) for hour in range(3)]
        rows = [(day * 3 + hour, f"2026-01-{day:02}T0{hour}:00:00+00:00", "ab"[hour % 2]) for day, hour in times]
        db.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)

    def write(*, partitions=DAYS, mode="append", streams=ONE, source="", more=""):
        path = folder / "shop.yaml"
        said = {"partitions": partitions, "mode": mode, "streams": streams, "source": source, "more": more}
        path.write_text(JOB.format(root=root, **said))
        return path

    return write


def run(folder, instance, key, **options):
    job = build_definitions(folder).resolve_job_def(NAME)
    return job.execute_in_process(instance=instance, raise_on_error=False, partition_key=key, **options)


def rows(path, stream="orders"):
    job = load_job(path)
    table = open_table(job, job.stream(stream))
    return sorted(i for batch in table.scan() for i in batch.column("id").to_pylist())


def facts(result, node="acme__shop__orders.commit"):
    (event,) = result.asset_materializations_for_node(node)
    return {key: value.value for key, value in event.metadata.items()}


def test_asset_checks_and_job_know_the_parts(folder, write):
    write()
    defs = build_definitions(folder)
    keys = defs.resolve_job_def(NAME).partitions_def.get_partition_keys()
    asset = defs.resolve_assets_def(ORDERS)
    assert keys == [f"2026-01-0{n}" for n in range(1, 9)]
    assert asset.partitions_def.get_partition_keys() == keys
    assert asset.backfill_policy is None  # Dagster's default: a run for each part
    assert asset.metadata_by_key[ORDERS]["partitions"] == "by at: day (UTC)"


def test_a_run_reads_its_part_and_says_which(folder, write, instance):
    path = write()
    result = run(folder, instance, "2026-01-02")
    assert result.success
    assert rows(path) == [6, 7, 8]
    told = facts(result)
    assert told["partition"] == "2026-01-02"
    assert told["window"] == "at from 2026-01-02T00:00:00+00:00 to before 2026-01-03T00:00:00+00:00"
    (event,) = result.asset_materializations_for_node("acme__shop__orders.commit")
    assert event.partition == "2026-01-02"


def test_each_part_has_a_state_of_its_own_and_is_appended_once(folder, write, instance):
    path = write()
    assert [facts(run(folder, instance, f"2026-01-0{n}"))["status"] for n in (2, 1, 2)] == [
        "committed",
        "committed",
        "already_committed",
    ]
    assert rows(path) == [3, 4, 5, 6, 7, 8]
    job = load_job(path)
    assert set(open_table(job, job.streams[0]).states()) == {
        "acme.shop.orders@2026-01-01",
        "acme.shop.orders@2026-01-02",
    }


def test_a_part_is_of_named_values(folder, write, instance):
    path = write(partitions="{column: kind, keys: {first: [a], second: [b, c]}}")
    told = facts(run(folder, instance, "second"))
    assert rows(path) == [n * 3 + 1 for n in range(1, 9)]
    assert told["window"] == "kind in b, c"


def test_parts_that_run_at_once_each_commit_and_show_their_own_checks(folder, write, tmp_path):
    path = write(mode="append")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        ThreadPoolExecutor(4) as threads,
    ):
        keys = [f"2026-01-0{n}" for n in range(1, 9)]
        results = list(threads.map(lambda key: run(folder, instance, key), keys))
        assert all(result.success for result in results)
        assert instance.get_materialized_partitions(ORDERS) == set(keys)
    assert rows(path) == list(range(3, 27))
    assert all(facts(result)["rows_written"] == 3 for result in results)
    assert all(e.passed for result in results for e in result.get_asset_check_evaluations())


def test_a_run_without_a_part_or_over_a_range_is_refused_and_says_what_to_do(folder, write, instance):
    path = write()
    span = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-03"}
    for tags in ({}, span):
        job = build_definitions(folder).resolve_job_def(NAME)
        result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
        (failed,) = [e for e in result.all_events if e.is_step_failure and "plan" in e.step_key]
        assert failed.step_failure_data.user_failure_data.metadata["code"].value == "NO_PARTITIONS"
        assert "backfill" in failed.step_failure_data.user_failure_data.description
    assert rows(path) == []


def test_a_range_of_one_is_that_part(folder, write, instance):
    path = write()
    span = dict.fromkeys(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), "2026-01-02")
    job = build_definitions(folder).resolve_job_def(NAME)
    result = job.execute_in_process(instance=instance, tags=span)
    assert rows(path) == [6, 7, 8]
    assert facts(result)["partition"] == "2026-01-02"
    assert instance.get_materialized_partitions(ORDERS) == {"2026-01-02"}


@pytest.mark.parametrize(
    ("partitions", "cron", "at", "keys"),
    [
        ({"every": "day", "start": "2026-01-01"}, "0 3 * * *", (2026, 1, 5, 3), ["2026-01-04"]),
        ({"every": "day", "start": "2026-01-01"}, "0 * * * *", (2026, 1, 5, 3), []),
        ({"every": "day", "start": "2026-01-01"}, "0 * * * *", (2026, 1, 5, 0), ["2026-01-04"]),
        ({"every": "day", "start": "2026-01-03"}, "0 0 * * 1", (2026, 1, 5, 0), ["2026-01-03", "2026-01-04"]),
        ({"every": "day", "start": "2026-02-01"}, "0 3 * * *", (2026, 1, 5, 3), []),
        ({"keys": {"a": ("a",), "b": ("b",)}}, "0 3 * * *", (2026, 1, 5, 3), ["a", "b"]),
    ],
)
def test_a_schedule_runs_what_has_ended_since_the_tick_before(partitions, cron, at, keys):
    moment = datetime(*at, tzinfo=timezone.utc)
    assert due(Partitions(column="at", **partitions), Schedule(cron=cron), moment) == keys


def test_the_schedule_of_a_partitioned_job_asks_for_runs_of_parts(folder, write):
    write(partitions="{column: at, every: day, start: 2026-01-01}", more='schedule: "0 3 * * 1"')
    defs = build_definitions(folder)
    schedule = defs.resolve_schedule_def(f"{NAME}__schedule")
    at = datetime(2026, 1, 12, 3, tzinfo=timezone.utc)
    with dg.build_schedule_context(scheduled_execution_time=at, repository_def=defs.get_repository_def()) as context:
        asked = schedule.evaluate_tick(context).run_requests
    assert [request.tags["dagster/partition"] for request in asked] == [f"2026-01-{n:02}" for n in range(5, 12)]
    assert len({request.run_key for request in asked}) == 7
