"""The Iceberg table on real catalogs (SQLite, PostgreSQL, REST) with its files on real S3."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from dativo_dagster.config.job import Partition
from dativo_dagster.tables.iceberg import Config, Table
from tests.fakes.lake import KEY, ROWS, batch, ids, put, spec, stage, token

pytestmark = pytest.mark.integration
PARTS = (Partition(column="ingest_date"), Partition(column="day", transform="month"))


@pytest.fixture
def open_table(iceberg_catalog):
    config = Config.model_validate({"catalog": iceberg_catalog.catalog, "connection": iceberg_catalog.connection})

    def opened(**more):
        return Table(config, spec(identifier=iceberg_catalog.table("orders"), **more))

    return opened


def test_a_table_is_made_by_its_first_commit_and_others_read_it(open_table, iceberg_catalog):
    table = open_table(partitioning=PARTS, properties={"governance.owner": "shop"})
    staged = stage(table, table.spec, ROWS, token("a"), cursor=1)
    assert not iceberg_catalog.load().table_exists(iceberg_catalog.table("orders"))

    snapshot = open_table(partitioning=PARTS, properties={"governance.owner": "shop"}).commit(staged)

    theirs = iceberg_catalog.load().load_table(iceberg_catalog.table("orders"))
    assert snapshot.fresh
    assert theirs.scan().to_arrow().num_rows == 3
    assert theirs.scan(row_filter="id = 2").to_arrow().num_rows == 1
    assert theirs.properties["governance.owner"] == "shop"
    assert "commit.retry.num-retries" not in theirs.properties
    assert theirs.current_snapshot().summary["dativo.commit-token"] == token("a")
    assert open_table(partitioning=PARTS).state(KEY).cursor.value == {"at": 1}


def test_every_mode_on_every_catalog(open_table):
    put(open_table(partitioning=PARTS), open_table(partitioning=PARTS).spec, ROWS, token("a"))
    over = open_table(partitioning=PARTS, mode="overwrite_partitions")
    put(over, over.spec, [{**ROWS[2], "id": 30}], token("b"))
    assert ids(over) == [1, 2, 30]

    whole = open_table(partitioning=PARTS, mode="overwrite")
    assert put(whole, whole.spec, ROWS[:1], token("c")).total_rows == 1
    assert not put(whole, whole.spec, ROWS[:1], token("c")).fresh
    assert ids(whole) == [1]


def test_writers_at_once_lose_and_repeat_no_row(open_table):
    tables = [open_table() for _ in range(6)]
    staged = [stage(t, t.spec, [{**ROWS[0], "id": n}], token(f"{n:x}")) for n, t in enumerate(tables)]
    with ThreadPoolExecutor(6) as pool:
        snapshots = list(pool.map(lambda pair: pair[0].commit(pair[1]), zip(tables, staged, strict=True)))

    assert all(s.fresh for s in snapshots)
    assert ids(open_table()) == [0, 1, 2, 3, 4, 5]


def test_orphans_are_found_on_the_object_store_and_removed(open_table):
    put(open_table(), open_table().spec, ROWS, token("a"))
    table = open_table()
    lost = table.writer(token("b")).write([batch(table.spec, ROWS)], "unit")
    found = table.orphans(datetime.now(timezone.utc) + timedelta(minutes=5))
    assert [f.path for f in found] == [f.path for f in lost]
    table.remove(found)
    assert ids(table) == [1, 2, 3]


def test_the_check_reaches_the_catalog_and_the_bucket(open_table):
    result = open_table().check()
    assert result.passed, result.message


def test_the_check_tells_wrong_keys_from_a_missing_bucket_and_a_silent_server(iceberg_catalog):
    catalog, s3 = iceberg_catalog.catalog, dict(iceberg_catalog.connection["s3"])

    def outcome(catalog, s3):
        config = Config.model_validate({"catalog": catalog, "connection": {"s3": s3}})
        found = Table(config, spec(identifier=iceberg_catalog.table("orders"))).check()
        assert not found.passed
        assert found.message
        return found.code, found.retryable

    def with_key(name, value):
        return {**s3, next(k for k in s3 if k.startswith(name)): value}

    wrong = outcome(catalog, with_key("secret", "nope"))
    assert wrong in {("AUTHENTICATION_FAILED", False), ("ACCESS_DENIED", False)}
    silent = outcome(catalog, with_key("endpoint", "http://127.0.0.1:9"))
    assert silent[1]
    if iceberg_catalog.kind == "rest":
        assert outcome({**catalog, "uri": "http://127.0.0.1:9"}, s3) == ("CATALOG_UNREACHABLE", True)
        assert outcome({**catalog, "credential": "who:knows"}, s3)[1] is False
    else:
        assert outcome({**catalog, "warehouse": "s3://no-such-bucket/x"}, s3)[1] is False
