"""Delta on a real object store: one version at a time, whoever else commits."""

import threading

import deltalake
import pytest

from dativo_dagster.tables.delta import Config, Table
from dativo_dagster.tables.delta.config import storage_options
from tests.fakes.lake import KEY, ROWS, ids, put, spec, stage, token

pytestmark = pytest.mark.integration


@pytest.fixture
def open_table(s3, s3_prefix):
    config = Config(path=f"s3://{s3.bucket}/{s3_prefix}/orders", connection={"s3": s3.connection})
    return lambda a_spec=None: Table(config, a_spec or spec())


def test_rows_cursor_and_token_are_one_version(open_table):
    table = open_table()
    put(table, spec(), ROWS, token("a"), cursor=1)
    over = spec(mode="overwrite")
    put(open_table(over), over, ROWS[:2], token("b"), cursor=2)

    assert open_table().state(KEY).cursor.value == {"at": 2}
    assert ids(open_table()) == [1, 2]
    options = storage_options(table.location(), table.config.connection)
    assert deltalake.DeltaTable(table.location(), storage_options=options).version() == 1


def test_writers_at_once_lose_and_repeat_no_row(open_table):
    put(open_table(), spec(), [], token("0"))
    rows = {n: [{**ROWS[0], "id": n}] for n in range(1, 5)}
    staged = [stage(open_table(), spec(), rows[n], token(f"{n:x}")) for n in (1, 2, 3, 4, 4)]
    fresh = []
    threads = [threading.Thread(target=lambda s=s: fresh.append(open_table().commit(s).fresh)) for s in staged]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fresh) == [False, True, True, True, True]
    assert ids(open_table()) == [1, 2, 3, 4]
