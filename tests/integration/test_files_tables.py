"""Parquet files with a manifest on real S3 and on Google Cloud Storage."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from dativo_dagster.config.job import Partition
from dativo_dagster.tables.files import Config, Table
from tests.fakes.lake import KEY, ROWS, batch, ids, put, spec, stage, token

pytestmark = pytest.mark.integration
PARTS = (Partition(column="ingest_date"), Partition(column="name"))
FUTURE = datetime.now(timezone.utc) + timedelta(days=1)  # from when the suite began, which may take an hour


@pytest.fixture(params=["s3", "gcs"])
def open_table(request):
    server = request.getfixturevalue(request.param)
    prefix = request.getfixturevalue(f"{request.param}_prefix")
    scheme = "s3" if request.param == "s3" else "gs"
    connection = {request.param: server.connection}
    config = Config(path=f"{scheme}://{server.bucket}/{prefix}/orders", connection=connection)

    def opened(**more):
        return Table(config, spec(**more))

    return opened


def test_every_mode_on_every_store(open_table):
    table = open_table(partitioning=PARTS)
    assert put(table, table.spec, ROWS, token("a"), cursor=1).total_files == 3

    over = open_table(partitioning=PARTS, mode="overwrite_partitions")
    put(over, over.spec, [{**ROWS[2], "id": 30}], token("b"))
    assert ids(over) == [1, 2, 30]

    whole = open_table(partitioning=PARTS, mode="overwrite")
    put(whole, whole.spec, ROWS[:1], token("c"))
    assert whole.preview(5).to_pylist() == [{**ROWS[0], "ingest_date": spec().run_date}]
    assert whole.state(KEY).token == token("c")
    assert {f.path.rpartition("/")[2] for f in whole.orphans(FUTURE) if f.path.endswith(".parquet")} == set()


def test_writers_at_once_lose_and_repeat_no_row(open_table):
    tables = [open_table() for _ in range(6)]
    staged = [stage(t, t.spec, [{**ROWS[0], "id": n}], token(f"{n:x}")) for n, t in enumerate(tables)]
    with ThreadPoolExecutor(6) as pool:
        snapshots = list(pool.map(lambda pair: pair[0].commit(pair[1]), zip(tables, staged, strict=True)))
    assert all(s.fresh for s in snapshots)
    assert ids(open_table()) == [0, 1, 2, 3, 4, 5]


def test_files_that_nobody_committed_are_found_and_removed(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    lost = open_table().writer(token("b")).write([batch(spec(), ROWS)], "unit")
    found = open_table().orphans(FUTURE)
    assert [f.path for f in found] == [f.path for f in lost]
    open_table().remove(found)
    assert ids(open_table()) == [1, 2, 3]


def test_the_check_writes_and_leaves_nothing(open_table):
    result = open_table().check()
    assert result.passed, result.message
    assert list(open_table()._storage.list(open_table().location() + "/")) == []
