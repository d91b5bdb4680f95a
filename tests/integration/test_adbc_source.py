"""Any ADBC driver as a source: SQLite's and PostgreSQL's stand for all of them."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from datetime import date, datetime, timezone

import psycopg2
import pydantic
import pytest

from dativo_dagster.config.job import Incremental
from dativo_dagster.connectors.sql.adbc import Config, Reader
from dativo_ingest.exceptions import DativoError
from tests.fakes.sources import STREAM, batches, context, drafted, next_window, values

pytestmark = pytest.mark.integration

INCREMENTAL = {"incremental": Incremental(strategy="updated_at", cursor_field="c"), "mode": "append"}


@pytest.fixture
def sqlite(tmp_path):
    return tmp_path / "source.db"


@pytest.fixture
def sql(sqlite):
    def run(*statements):
        with contextlib.closing(sqlite3.connect(sqlite)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return run


def opened(sqlite, fields=None, more=None, **options):
    config = Config(**{"driver": "adbc_driver_sqlite", "uri": str(sqlite), **options})
    return Reader(config, context(fields, **(more or {})))


def test_types_are_as_the_driver_gives_them(sqlite, sql):
    sql(
        'CREATE TABLE t (id integer PRIMARY KEY, "na ""me" text NOT NULL, x real, b blob)',
        "INSERT INTO t VALUES (9223372036854775807, '😀''', 0.1, x'00FF'), (2, '', NULL, NULL)",
    )
    kinds = drafted(opened(sqlite))
    assert kinds == {"id": "int64", 'na "me': "string", "x": "double", "b": "binary"}
    assert sorted(values(opened(sqlite, kinds))) == [(2, "", None, None), (2**63 - 1, "😀'", 0.1, b"\x00\xff")]


def test_tables_and_views_are_discovered_with_their_keys(sqlite, sql):
    sql(
        "CREATE TABLE a_one (x int, y int, PRIMARY KEY (x, y))",
        "CREATE VIEW a_two AS SELECT 1 AS x",
        "CREATE TABLE b (x)",
    )
    one, two = opened(sqlite, tables="a_*").discover()
    assert (one.name, one.primary_key, one.properties["kind"]) == ("main.a_one", ("x", "y"), "table")
    assert (two.name, two.primary_key, two.properties["kind"]) == ("main.a_two", (), "view")


def test_windows_one_after_another_give_each_row_once(sqlite, sql):
    sql("CREATE TABLE t (id integer PRIMARY KEY, c integer NOT NULL)")
    cursor = None
    for start in (0, 3):
        sql(f"INSERT INTO t VALUES {', '.join(f'({n}, {2**53 + n})' for n in range(start, start + 3))}")
        ids, cursor = next_window(opened(sqlite, {"id": "int64", "c": "int64"}, INCREMENTAL), cursor)
        assert ids == [start, start + 1, start + 2]


def test_parts_along_a_column_leave_nothing_out(sqlite, sql):
    sql("CREATE TABLE t (id integer, n integer)", "INSERT INTO t VALUES (1, 5), (2, NULL), (3, 70), (4, 900)")
    reader = opened(sqlite, {"id": "int64"}, splits=3, partition_by="n")
    assert len(reader.split(STREAM, None).units) == 3
    assert sorted(values(reader)) == [(1,), (2,), (3,), (4,)]


@pytest.mark.parametrize(
    ("options", "code", "retryable"),
    [
        ({"driver": "adbc_driver_of_nobody"}, "NO_DRIVER", False),
        ({"tables": "nope"}, "TABLE_NOT_FOUND", False),
        ({"query": "SELEC 1"}, "BAD_QUERY", False),
        (
            {"driver": "adbc_driver_postgresql", "uri": "postgresql://me:hidden-word@127.0.0.1:1/x"},
            "CONNECTION_FAILED",
            True,
        ),
    ],
)
def test_a_check_tells_what_is_wrong(sqlite, sql, options, code, retryable):
    sql("CREATE TABLE t (id integer)")
    found = opened(sqlite, {"id": "int64"}, **options).check()
    assert (found.passed, found.code, found.retryable) == (False, code, retryable), found.message
    assert "hidden-word" not in found.message


@pytest.mark.parametrize("options", [{"host": "a"}, {"snapshot": "job"}, {"statement_timeout": 1}, {"tls": "require"}])
def test_an_option_that_would_have_no_effect_is_refused(options):
    with pytest.raises(pydantic.ValidationError):
        Config(driver="adbc_driver_sqlite", **options)


@pytest.fixture
def postgres(pg):
    url = pg.create_database().replace("+psycopg2", "")

    def run(*statements):
        with contextlib.closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)
        return {"driver": "adbc_driver_postgresql", "uri": url}

    return run


def test_another_driver_needs_nothing_but_its_name(postgres):
    options = postgres(
        "CREATE TABLE t (id int8 PRIMARY KEY, d date, c timestamptz, s text)",
        "INSERT INTO t VALUES (1, '2024-02-29', '2024-01-01 00:00:00.000001+02', 'x')",
    )
    reader = Reader(Config(**options, tables="t"), context())
    assert drafted(reader) == {"id": "int64", "d": "date", "c": "timestamptz", "s": "string"}
    moment = datetime(2023, 12, 31, 22, 0, 0, 1, tzinfo=timezone.utc)
    fields = {"id": "int64", "d": "date", "c": "timestamptz"}
    assert values(Reader(Config(**options), context(fields))) == [(1, date(2024, 2, 29), moment)]
    ids, cursor = next_window(Reader(Config(**options), context(fields, **INCREMENTAL)), None)
    assert ids == [1]
    assert next_window(Reader(Config(**options), context(fields, **INCREMENTAL)), cursor) == ([], cursor)


def test_a_query_is_ended_by_cancel(postgres):
    options = postgres()
    reader = Reader(Config(**options, query="SELECT 1::int8 AS id, pg_sleep(60)::text AS s"), context({"id": "int64"}))
    caught, started = [], threading.Event()

    def read():
        try:
            started.set()
            batches(reader)
        except DativoError as error:
            caught.append(error.error_code)

    thread = threading.Thread(target=read)
    thread.start()
    started.wait()
    while thread.is_alive():
        reader.cancel()
        thread.join(0.05)
    assert caught == ["CANCELLED"]
