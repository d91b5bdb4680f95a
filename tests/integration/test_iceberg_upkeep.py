"""Audited commits, slices and maintenance on real catalogs (SQLite, PostgreSQL, REST) with files on real S3."""

from datetime import date, datetime, timedelta, timezone

import pytest

from dativo_dagster.config.job import Slice
from dativo_dagster.tables.iceberg import Config, Table
from tests.fakes.lake import KEY, ROWS, ids, put, spec, stage, token

pytestmark = pytest.mark.integration


@pytest.fixture
def open_table(iceberg_catalog):
    config = Config.model_validate({"catalog": iceberg_catalog.catalog, "connection": iceberg_catalog.connection})

    def opened(**more):
        return Table(config, spec(identifier=iceberg_catalog.table("orders"), **more))

    return opened


def later():
    return datetime.now(timezone.utc) + timedelta(minutes=5)


@pytest.mark.parametrize("before", [0, 1], ids=["new table", "table with rows"])
def test_other_readers_see_an_audited_commit_only_once_it_is_published(open_table, iceberg_catalog, before):
    if before:
        put(open_table(), open_table().spec, ROWS[:1], token("0"))
    audited = open_table(audited=True)
    staged = stage(audited, audited.spec, ROWS[1:], token("a"), cursor=5)

    def rows():
        return iceberg_catalog.load().load_table(iceberg_catalog.table("orders")).scan().to_arrow().num_rows

    waiting = open_table(audited=True).commit(staged)
    theirs = iceberg_catalog.load().load_table(iceberg_catalog.table("orders"))
    assert rows() == before
    assert theirs.scan().use_ref(waiting.branch).to_arrow().num_rows == before + 2

    open_table(audited=True).publish(staged, waiting)

    assert rows() == before + 2
    assert open_table().state(KEY).cursor.value == {"at": 5}
    theirs = iceberg_catalog.load().load_table(iceberg_catalog.table("orders"))
    assert set(theirs.metadata.refs) == {"main"}


def test_a_slice_is_replaced_and_nothing_else(open_table):
    put(open_table(), open_table().spec, ROWS, token("a"))
    part = Slice(key="2026-01-02", column="day", lower="2026-01-02T00:00:00+00:00", upper="2026-01-03T00:00:00+00:00")
    over = open_table(mode="overwrite", slice=part)
    put(over, over.spec, [{"id": 20, "name": "x", "day": date(2026, 1, 2)}], token("b"))
    assert ids(open_table()) == [1, 3, 20]


def test_maintenance_leaves_rows_and_memory_of_every_commit(open_table):
    for n in range(4):
        put(open_table(), open_table().spec, [{**ROWS[0], "id": n}], token(f"{n}"), cursor=n)
    audited = open_table(audited=True)
    open_table(audited=True).commit(stage(audited, audited.spec, ROWS, token("a")))

    assert open_table().compact().made == 1
    assert len(open_table().drop_branches(later()).names) == 1
    assert open_table().expire(later(), keep=1).names
    gone = open_table().orphans(later())
    open_table().remove(gone)

    assert len([f for f in gone if f.path.endswith(".parquet")]) == 5
    assert ids(open_table()) == [0, 1, 2, 3]
    assert open_table().state(KEY).cursor.value == {"at": 3}
    assert not put(open_table(), open_table().spec, [{**ROWS[0], "id": 0}], token("0")).fresh
