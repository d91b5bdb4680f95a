"""``dativo init`` with a database: what it writes validates and runs as it is, table by table, value by value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from tests.unit.cli.conftest import desk  # noqa: F401 - the same fixture as the command's own tests

pytestmark = pytest.mark.integration
POSTGRES = (
    "CREATE TABLE customers (id int8 PRIMARY KEY, name text NOT NULL, vat numeric, open_for interval, "
    "updated_at timestamptz NOT NULL DEFAULT clock_timestamp())",
    "COMMENT ON TABLE customers IS 'Who buys: all of them'",
    "COMMENT ON COLUMN customers.name IS 'As on the invoice, \"in full\"'",
    "INSERT INTO customers VALUES (1, 'Ada', 1.50, '1 day'), (2, 'Zoë', NULL, NULL)",
    "CREATE SCHEMA sales",
    'CREATE TABLE sales."Order $lines" (b int4, a int4, "Unit price" numeric(12,2), PRIMARY KEY (a, b))',
    'INSERT INTO sales."Order $lines" VALUES (1, 1, 2.50), (2, 1, 3.75)',
)
MARIADB = (
    "CREATE TABLE orders (id bigint unsigned PRIMARY KEY, total decimal(12,2), digits decimal(60,2), "
    "kind enum('a', 'b') NOT NULL COMMENT 'of the two', "
    "updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))",
    "INSERT INTO orders (id, total, kind) VALUES (1, 1.5, 'a'), (2, 2.5, 'b')",
)


def rows(path, stream=None):
    job = load_job(Path(path))
    found = job.stream(stream) if stream else job.streams[0]
    return sorted(open_table(job, found).scan().to_pylist(), key=str)


@pytest.fixture
def shop(pg):
    import psycopg2

    url = pg.create_database()
    name = url.rpartition("/")[2]
    connection = psycopg2.connect(host="127.0.0.1", port=pg.port, user="postgres", dbname=name)
    connection.autocommit = True
    for statement in POSTGRES:
        connection.cursor().execute(statement)
    connection.close()
    return f"postgres://postgres@127.0.0.1:{pg.port}/{name}"


def test_all_tables_of_postgres_become_one_job_that_runs(desk, shop):  # noqa: F811
    answer = desk("init", shop, "--name", "shop", "--tenant", "acme")
    assert answer.code == 0, answer.err
    commands = [line.partition("#")[0].split()[1:] for line in answer.out.splitlines() if line.startswith("  dativo ")]
    for command in commands:
        done = desk(*command)
        assert done.code == 0, done.err
