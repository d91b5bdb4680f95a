"""Whole jobs from MariaDB: what is in the table afterwards, run after run."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job

pytestmark = pytest.mark.integration
JOB = """
name: shop
source:
  connector: {connector}
  host: 127.0.0.1
  port: {port}
  user: root
  database: {database}
  tables: orders
  {more}
target: {{connector: iceberg, table: shop.orders, mode: {mode}}}
contract:
  name: orders
  schema:
    - {{name: id, type: int64, required: true, primary_key: true}}
    - {{name: at, type: timestamptz}}
    - {{name: total, type: "decimal(12,2)"}}
"""
LEGACY = """
tenant_id: acme
source_connector_path: connectors/mysql.yaml
target_connector_path: connectors/s3.yaml
asset_path: employee.yaml
source:
  tables:
    - {name: orders, object: employees, cursor_field: at}
  connection: {mysql: {host: "${MYSQL_HOST}", port: "${MYSQL_PORT}", database: "${MYSQL_DB}", user: "${MYSQL_USER}"}}
  incremental: {strategy: updated_at, cursor_field: at, lookback_days: 0}
target:
  connection:
    s3:
      bucket: "${S3_BUCKET}"
      endpoint: "${S3_ENDPOINT}"
      access_key_id: "${S3_KEY}"
      secret_access_key: "${S3_SECRET}"
"""
ASSET = """
name: {name}
version: "1.0"
source_type: mysql
object: employees
domain: hr
dataProduct: staff
schema:
  - {{name: id, type: integer, required: true}}
  - {{name: at, type: timestamp}}
  - {{name: total, type: float}}
team: {{owner: hr}}
"""


@pytest.fixture
def database(mariadb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return mariadb.create_database()


@pytest.fixture
def sql(mariadb, database):
    def run(*statements):
        mariadb.run(*statements, database=database)

    run(
        "CREATE TABLE orders (id bigint PRIMARY KEY, at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) "
        "ON UPDATE CURRENT_TIMESTAMP(6), total decimal(12,2))",
        "INSERT INTO orders (id, total) SELECT seq, seq / 4 FROM seq_1_to_100",
    )
    return run


@pytest.fixture
def job(mariadb, database, sql, tmp_path):
    def loaded(*, more="", mode="append", connector="mysql"):
        path = tmp_path / "shop.yaml"
        path.write_text(JOB.format(port=mariadb.port, database=database, more=more, mode=mode, connector=connector))
        return load_job(path)

    return loaded


def run(job):
    (result,) = run_job(job).streams
    assert result.error is None, result.error
    return result


def rows(job):
    return sorted((r["id"], r["total"]) for b in open_table(job, job.streams[0]).scan() for r in b.to_pylist())


@pytest.mark.parametrize("connector", ["mysql", "mariadb"])
def test_increments_arrive_once(sql, job, connector):
    orders = job(more="incremental: {cursor_field: at}", connector=connector)
    assert run(orders).counts.written == 100
    assert run(orders).status == "nothing_new"
    sql("INSERT INTO orders (id, total) VALUES (101, 0.01)", "UPDATE orders SET total = 7 WHERE id = 1")
    assert run(orders).counts.written == 2
    assert rows(orders) == sorted([*((n, Decimal(n) / 4) for n in range(1, 101)), (101, Decimal("0.01")), (1, 7)])


def test_a_whole_table_in_parts_replaces_the_last_one(sql, job):
    orders = job(more="splits: 3", mode="overwrite")
    assert run(orders).units == 3
    sql("INSERT INTO orders (id, total) SELECT seq, 1 FROM seq_101_to_5000", "DELETE FROM orders WHERE id = 1")
    assert run(orders).units == 3
    assert [n for n, _ in rows(orders)] == list(range(2, 5001))


def test_a_job_of_the_earlier_system_runs_unchanged(mariadb, database, sql, tmp_path, s3, s3_prefix):
    environment = {
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_PORT": str(mariadb.port),
        "MYSQL_DB": database,
        "MYSQL_USER": "root",
        "S3_BUCKET": s3.bucket,
        "S3_ENDPOINT": s3.endpoint,
        "S3_KEY": s3.access_key,
        "S3_SECRET": s3.secret_key,
    }
    (tmp_path / "job.yaml").write_text(LEGACY)
    (tmp_path / "employee.yaml").write_text(ASSET.format(name=s3_prefix.replace("-", "_")))
    legacy = load_job(tmp_path / "job.yaml", environment=environment)
    assert run(legacy).counts.written == 100
    sql("INSERT INTO orders (id, total) VALUES (101, 0.5)")
    assert run(legacy).counts.written == 1
    assert rows(legacy)[-1] == (101, 0.5)
    assert len(rows(legacy)) == 101
