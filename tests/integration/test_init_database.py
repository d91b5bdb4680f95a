"""``dativo init`` with a database: what it writes validates and runs as it is, and loses nothing."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from tests.unit.cli.conftest import desk  # noqa: F401 - the same fixture as the command's own tests

pytestmark = pytest.mark.integration
CUSTOMERS = """
CREATE TABLE customers (
    id int8 PRIMARY KEY, name text NOT NULL, vat numeric, open_for interval,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE customers IS 'Who buys: all of them';
COMMENT ON COLUMN customers.name IS 'As on the invoice, "in full"';
INSERT INTO customers VALUES (1, 'Ada', 1.50, '1 day'), (2, 'Zoë', NULL, NULL);
"""
LINES = """
CREATE SCHEMA sales;
CREATE TABLE sales."Order $lines" (b int4, a int4, "Unit price" numeric(12,2), PRIMARY KEY (a, b));
INSERT INTO sales."Order $lines" VALUES (1, 1, 2.50), (2, 1, 3.75);
"""
ORDERS = """
CREATE TABLE orders (
    id bigint unsigned PRIMARY KEY, total decimal(12,2), digits decimal(60,2),
    kind enum('a', 'b') NOT NULL COMMENT 'of the two', updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
)
"""


def follow(desk, answer):  # noqa: F811
    """Do what the command says comes next."""
    assert answer.code == 0, answer.err
    lines = [line.partition("#")[0].split()[1:] for line in answer.out.splitlines() if line.startswith("  dativo ")]
    assert [line[0] for line in lines] == ["validate", "plan", "run"]
    for line in lines:
        done = desk(*line)
        assert done.code == 0, done.err


def rows(file, stream):
    job = load_job(Path("jobs") / file)
    found = [row for batch in open_table(job, job.stream(stream)).scan() for row in batch.to_pylist()]
    return sorted(({k: v for k, v in row.items() if not k.startswith("_dativo")} for row in found), key=str)


@pytest.fixture
def shop(pg):
    name = pg.create_database().rpartition("/")[2]
    with contextlib.closing(pg.connect(name)) as connection:
        connection.autocommit = True
        connection.cursor().execute(CUSTOMERS + LINES)
        yield f"postgres://postgres@127.0.0.1:{pg.port}/{name}", connection.cursor().execute


@pytest.fixture(params=["mysql", "mariadb"])
def orders(request, mariadb):
    database = mariadb.create_database()
    mariadb.run(ORDERS, "INSERT INTO orders (id, total, kind) VALUES (1, 1.5, 'a'), (2, 2.5, 'b')", database=database)
    return f"{request.param}://root@127.0.0.1:{mariadb.port}/{database}"


def test_all_tables_of_postgres_become_one_job_that_runs(desk, shop):  # noqa: F811
    follow(desk, desk("init", shop[0], "--name", "shop", "--tenant", "acme"))
    assert [(r["id"], r["vat"], r["open_for"]) for r in rows("shop.yaml", "customers")] == [
        (1, "1.50", "P1D"),
        (2, None, None),
    ]
    assert rows("shop.yaml", "order_lines") == [
        {"b": 1, "a": 1, "Unit price": Decimal("2.50")},
        {"b": 2, "a": 1, "Unit price": Decimal("3.75")},
    ]
    contract = load_job(Path("jobs/shop.yaml")).stream("customers").contract
    assert contract.description == "Who buys: all of them"
    assert contract.fields[1].description == 'As on the invoice, "in full"'
    assert [f.name for f in contract.fields if f.required] == ["id", "name", "updated_at"]
    assert [f.name for f in contract.fields if f.primary_key] == ["id"]


def test_what_is_proposed_for_increments_works_when_it_is_uncommented(desk, shop):  # noqa: F811
    url, sql = shop
    assert desk("init", url, "--tables", "customers").code == 0
    file = Path("jobs/customers.yaml")
    text = file.read_text()
    assert load_job(file).streams[0].source.incremental is None
    text = text.replace("# incremental: {", "incremental: {").replace("mode: overwrite", "mode: merge")
    file.write_text(text.replace("safe_lag: 60", "safe_lag: 0"))
    assert desk("run", "jobs/customers.yaml").code == 0
    sql("UPDATE customers SET name = 'Zoe', updated_at = clock_timestamp() WHERE id = 2")
    answer = desk("run", "jobs/customers.yaml", "--json")
    assert answer.code == 0, answer.err
    assert [r["name"] for r in rows("customers.yaml", "customers")] == ["Ada", "Zoe"]


def test_a_table_of_mariadb_becomes_a_job_that_runs(desk, orders):  # noqa: F811
    follow(desk, desk("init", orders, "--table", "lake.orders"))
    found = [(r["id"], r["total"], r["digits"], r["kind"]) for r in rows("orders.yaml", "orders")]
    assert found == [(1, Decimal("1.50"), None, "a"), (2, Decimal("2.50"), None, "b")]
    assert "#   digits: decimal(60,2) as string\n" in Path("jobs/contracts/orders.yaml").read_text()


def test_a_database_without_a_connector_of_its_own_goes_through_sqlalchemy(desk, mariadb):  # noqa: F811
    database = mariadb.create_database()
    mariadb.run(
        "CREATE TABLE t (id int PRIMARY KEY, name varchar(9))", "INSERT INTO t VALUES (1, 'x')", database=database
    )
    follow(desk, desk("init", mariadb.url(database), "--connector", "sqlalchemy", "--tables", f"{database}.t"))
    assert rows("t.yaml", "t") == [{"id": 1, "name": "x"}]


def test_a_password_is_written_nowhere(desk, shop, monkeypatch):  # noqa: F811
    monkeypatch.delenv("PGPASSWORD", raising=False)
    url = shop[0].replace("postgres@", "postgres:hun%40ter2@")
    answer = desk("init", url, "--name", "shop")
    assert answer.code == 0, answer.err
    assert "PGPASSWORD, which must be set" in answer.out
    written = "".join(file.read_text() for file in Path().rglob("*.yaml"))
    assert "password: ${PGPASSWORD}\n" in written
    assert not [text for text in (written, answer.out, answer.err) if "hun" in text]
    unset = desk("run", "jobs/shop.yaml")
    assert (unset.code, "PGPASSWORD" in unset.err) == (2, True)
    monkeypatch.setenv("PGPASSWORD", "hun@ter2")
    assert desk("run", "jobs/shop.yaml").code == 0


def test_a_pattern_that_fits_nothing_is_told_with_what_there_is(desk, shop):  # noqa: F811
    answer = desk("init", shop[0], "--tables", "public.customer")
    assert (answer.code, "did you mean 'public.customers'?" in answer.err) == (2, True)
    assert not list(Path("jobs").iterdir())


def test_a_run_of_a_stream_without_a_table_names_both_and_says_what_to_write(desk, shop):  # noqa: F811
    assert desk("init", shop[0], "--tables", "customers", "--name", "clients").code == 0
    file = Path("jobs/clients.yaml")
    file.write_text(file.read_text().replace("  tables: public.customers\n", ""))
    answer = desk("run", "jobs/clients.yaml", "--json")
    said = json.dumps(answer.json)
    assert answer.code == 2
    for part in ("stream 'clients'", "taken for the table's", "`tables: public.customers`"):
        assert part in said
