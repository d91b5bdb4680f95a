"""Whole jobs from PostgreSQL: what is in the table afterwards, run after run."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from decimal import Decimal

import pytest

from dativo_dagster.cli import main
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job
from tests.fakes.postgres import Database

pytestmark = pytest.mark.integration
JOB = """
name: shop
source:
  connector: postgres
  host: 127.0.0.1
  port: {port}
  user: postgres
  database: {database}
  {more}
target: {{connector: {target}, table: shop.orders, mode: {mode}}}
contract:
  name: orders
  schema:
    - {{name: id, type: int64, required: true}}
    - {{name: at, type: timestamptz}}
    - {{name: total, type: "decimal(12,2)"}}
"""
LEGACY = """
tenant_id: acme
source_connector_path: connectors/postgres.yaml
target_connector_path: connectors/s3.yaml
asset_path: employee.yaml
source:
  tables:
    - {name: public.orders, object: employees, cursor_field: at}
  connection:
    host: ${PG_HOST}
    port: ${PG_PORT}
    database: ${PG_DATABASE}
    user: ${PG_USER}
    password: ${PG_PASSWORD}
  incremental: {strategy: updated_at, cursor_field: at, lookback_days: 0}
  engine: {type: native, options: {native: {batch_size: 5000}}}
target:
  connection:
    s3:
      bucket: ${S3_BUCKET}
      endpoint: ${S3_ENDPOINT}
      access_key_id: ${S3_KEY}
      secret_access_key: ${S3_SECRET}
"""
ASSET = """
name: {name}
version: "1.0"
source_type: postgres
object: employees
domain: hr
dataProduct: staff
schema:
  - {{name: id, type: integer, required: true}}
  - {{name: at, type: timestamp}}
  - {{name: total, type: float}}
team: {{owner: hr}}
"""
ORDERS = (
    "CREATE TABLE orders (id int8 PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), total numeric(12,2))"
)


@pytest.fixture
def database(pg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Database.make(pg)
    made.run(ORDERS, "INSERT INTO orders (id, total) SELECT n, n / 4.0 FROM generate_series(1, 100) n")
    return made


def job(database, tmp_path, *, more="", target="iceberg", mode="append"):
    path = tmp_path / "shop.yaml"
    path.write_text(JOB.format(port=database.server.port, database=database.name, more=more, target=target, mode=mode))
    return load_job(path)


def run(job):
    (result,) = run_job(job).streams
    assert result.error is None, result.error
    return result


def rows(job):
    return sorted((r["id"], r["total"]) for b in open_table(job, job.streams[0]).scan() for r in b.to_pylist())


@pytest.mark.parametrize("target", ["iceberg", "parquet"])
def test_increments_arrive_once(database, tmp_path, target):
    orders = job(database, tmp_path, more="incremental: {cursor_field: at}\n  tables: orders", target=target)
    assert run(orders).counts.written == 100
    assert run(orders).status == "nothing_new"
    database.run("INSERT INTO orders (id, total) VALUES (101, 0.01)", "UPDATE orders SET total = 7 WHERE id = 1")
    assert run(orders).counts.written == 1
    assert rows(orders) == [*((n, Decimal(n) / 4) for n in range(1, 101)), (101, Decimal("0.01"))]


def test_a_whole_table_in_parts_replaces_the_last_one(database, tmp_path):
    orders = job(database, tmp_path, more="tables: orders\n  splits: 3", mode="overwrite")
    assert run(orders).units == 1, "a hundred rows have one page"
    database.run(
        "INSERT INTO orders (id, total) SELECT n, 1 FROM generate_series(101, 5000) n",
        "DELETE FROM orders WHERE id = 1",
    )
    assert run(orders).units == 3
    assert [n for n, _ in rows(orders)] == list(range(2, 5001))


def test_a_job_of_the_earlier_system_runs_unchanged(database, tmp_path, monkeypatch, s3, s3_prefix):
    environment = {
        "PG_HOST": "127.0.0.1",
        "PG_PORT": str(database.server.port),
        "PG_DATABASE": database.name,
        "PG_USER": "postgres",
        "PG_PASSWORD": "any",
        "S3_BUCKET": s3.bucket,
        "S3_ENDPOINT": s3.endpoint,
        "S3_KEY": s3.access_key,
        "S3_SECRET": s3.secret_key,
    }
    (tmp_path / "job.yaml").write_text(LEGACY)
    (tmp_path / "employee.yaml").write_text(ASSET.format(name=s3_prefix.replace("-", "_")))
    legacy = load_job(tmp_path / "job.yaml", environment=environment)
    assert run(legacy).counts.written == 100
    database.run("INSERT INTO orders (id, total) VALUES (101, 0.5)")
    assert run(legacy).counts.written == 1
    assert rows(legacy)[-1] == (101, 0.5)
    assert len(rows(legacy)) == 101


def test_what_is_discovered_is_a_contract_that_runs(database, tmp_path):
    database.run("COMMENT ON COLUMN orders.total IS 'in euros'")
    out = io.StringIO()
    options = [f"--option={k}={v}" for k, v in database.options.items()]
    with redirect_stdout(out):
        assert main(["discover", "--connector", "postgres", *options, "--json"]) == 0
    (found,) = json.loads(out.getvalue())["objects"]
    assert (found["name"], found["primary_key"]) == ("public.orders", ["id"])
    assert found["columns"][2]["description"] == "in euros"

    fields = [{k: c[k] for k in ("name", "type")} | {"required": not c["nullable"]} for c in found["columns"]]
    text = (tmp_path / "shop.yaml").write_text
    job(database, tmp_path, more="tables: orders")
    lines = (tmp_path / "shop.yaml").read_text().split("\ncontract:")[0]
    text(f"{lines}\ncontract: {json.dumps({'name': 'orders', 'schema': fields})}\n")
    assert run(load_job(tmp_path / "shop.yaml")).counts.written == 100
