"""What is DuckDB's own: names that a file shares with a schema, and a file that another process has open."""

import subprocess
import sys
from contextlib import contextmanager

import duckdb as engine
import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.tables.sql import duckdb
from tests.fakes.lake import KEY, ROWS, ids, put, spec, stage, token

JOB = """
name: things
source: {connector: csv, files: things.csv}
target: {connector: duckdb, path: shop.duckdb, table: shop.things, staging: staged}
contract: {name: things, schema: [{name: id, type: int64}]}
"""
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    (tmp_path / "things.csv").write_text("id\n1\n2\n")
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path


@contextmanager
def open_elsewhere(file):
    """Let another process have a file open, as an analyst's shell would."""
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        yield
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("file", "identifier"),
    [
        ("shop.duckdb", "shop.orders"),
        ("Shop.duckdb", "shop.orders"),
        ("shop.prod.duckdb", "shop.orders"),
        ("orders.duckdb", "shop.orders"),
        ("shop.duckdb", "orders"),
        ("main.duckdb", "orders"),
        ("shop.duckdb", "temp.orders"),
        ('a "b".duckdb', 'a "b".orders'),
    ],
)
def test_a_schema_may_be_called_as_a_database_is(file, identifier, place):
    def table(mode):
        a_spec = spec(identifier=identifier, mode=mode)
        return duckdb.Table(duckdb.Config(path=str(place / file)), a_spec), a_spec

    assert table("append")[0].columns() == ()
    for mode, name, expected in (("append", "a", [1, 2, 3]), ("append", "b", [1, 1, 2, 2, 3, 3]),
                                 ("overwrite", "c", [1, 2, 3])):  # fmt: skip
        put(*table(mode), ROWS, token(name))
        again, _ = table(mode)
        assert ids(again) == expected
        assert again.state(KEY).token == token(name)
        assert again.unaccounted(KEY) == len(expected)


def test_a_file_that_another_process_has_open_fails_the_run_while_it_is_planned(place, monkeypatch):
    monkeypatch.setattr(duckdb, "WAIT_SECONDS", 0.0)
    job = load_job(place / "job.yaml")
    (first,) = run_job(job).streams
    assert first.status == "committed", first.error
    (place / "things.csv").write_text("id\n3\n")
    with open_elsewhere(place / "shop.duckdb"):
        (refused,) = run_job(job).streams
    assert (refused.error["error_code"], refused.error["retryable"]) == ("DATABASE_LOCKED", True)
    assert "another process" in refused.error["message"]
    assert not [p for p in (place / "staged").rglob("*") if p.is_file()], "rows were written for nothing"

    (second,) = run_job(job).streams
    assert second.status == "committed", second.error
    with engine.connect("shop.duckdb") as connection:
        assert connection.execute("SELECT id FROM shop.shop.things ORDER BY id").fetchall() == [(1,), (2,), (3,)]


def test_a_commit_waits_until_another_process_has_closed_the_file(place, monkeypatch):
    waits = []
    a_spec = spec(identifier="shop.orders")
    table = duckdb.Table(duckdb.Config(path=str(place / "shop.duckdb")), a_spec)
    staged = stage(table, a_spec, ROWS, token("a"))
    holding = open_elsewhere(place / "shop.duckdb")
    holding.__enter__()

    def closed(seconds):
        waits.append(seconds)
        if len(waits) == 1:
            holding.__exit__(None, None, None)

    monkeypatch.setattr("dativo_dagster.state.patience.time.sleep", closed)
    assert table.commit(staged).rows == 3
    assert waits
    assert ids(table) == [1, 2, 3]
