"""What every table promises the pipeline, whatever its format."""

import subprocess
import sys
import threading
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

from dativo_dagster.config.job import Evolution, Partition
from dativo_dagster.tables import delta, files, iceberg
from dativo_dagster.tables.sql import duckdb
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Column
from dativo_ingest.protocols import Table, Writer
from tests.fakes.lake import COLUMNS, KEY, ROWS, batch, ids, put, spec, stage, token

FUTURE = datetime.now(timezone.utc) + timedelta(days=1)  # from when the suite began, which may take an hour


KINDS = {"iceberg": iceberg, "files": files, "duckdb": duckdb, "delta": delta}
REWRITING = pytest.mark.parametrize("kind", ["iceberg", "files", "duckdb"], indirect=True)
PARTITIONED = pytest.mark.parametrize("kind", ["iceberg", "files"], indirect=True)


@pytest.fixture(params=KINDS, autouse=True)
def kind(request, tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    return KINDS[request.param]


@pytest.fixture
def open_table(kind):
    def opened(a_spec=None):
        return kind.Table(kind.Config(), a_spec or spec())

    return opened


def test_a_table_keeps_the_protocol(open_table):
    table = open_table()
    assert isinstance(table, Table)
    assert isinstance(table.writer(token("a")), Writer)


def test_there_is_nothing_before_the_first_commit(open_table):
    table = open_table()
    table.writer(token("a")).write([batch(spec(), ROWS)], "unit")

    other = open_table()
    assert list(other.columns()) == []
    assert other.state(KEY) is None
    assert other.committed(token("a")) is None
    assert list(other.changes()) == []
    assert other.preview(5).num_rows == 0
    assert list(other.scan()) == []


def test_a_commit_makes_rows_cursor_and_token_visible_to_others(open_table):
    snapshot = put(open_table(), spec(), ROWS, token("a"), cursor="2026-01-01")

    other = open_table()
    assert (snapshot.rows, snapshot.files, snapshot.total_rows, snapshot.fresh) == (3, 1, 3, True)
    assert snapshot.bytes > 0
    assert other.committed(token("a")).id == snapshot.id
    assert not other.committed(token("a")).fresh
    state = other.state(KEY)
    assert (state.token, state.cursor.value) == (token("a"), {"at": "2026-01-01"})
    assert other.state("acme.shop.other") is None
    assert sorted(other.preview(10).to_pylist(), key=lambda r: r["id"]) == ROWS
    assert other.preview(2).num_rows == 2
    assert [(c.name, c.type, c.nullable) for c in other.columns()] == [
        ("id", "int64", False),
        ("name", "string", True),
        ("day", "date", True),
    ]


def test_the_same_token_twice_is_one_commit(open_table):
    first = put(open_table(), spec(), ROWS, token("a"))
    again = put(open_table(), spec(), ROWS, token("a"))

    assert (again.id, again.fresh) == (first.id, False)
    assert ids(open_table()) == [1, 2, 3]


def test_an_earlier_token_is_still_known_after_later_commits(open_table):
    staged = stage(open_table(), spec(), ROWS, token("a"))
    open_table().commit(staged)
    put(open_table(), spec(), ROWS, token("b"))

    assert not open_table().commit(staged).fresh
    assert len(ids(open_table())) == 6


def test_append_adds_and_overwrite_replaces(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    put(open_table(), spec(), ROWS[:1], token("b"))
    assert ids(open_table()) == [1, 1, 2, 3]

    whole = spec(mode="overwrite")
    snapshot = put(open_table(whole), whole, ROWS[1:], token("c"))
    assert ids(open_table()) == [2, 3]
    assert (snapshot.total_rows, snapshot.rows) == (2, 2)


def test_overwrite_with_no_rows_empties_the_table(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    whole = spec(mode="overwrite")
    put(open_table(whole), whole, [], token("b"))
    assert ids(open_table()) == []
    assert open_table().state(KEY).token == token("b")


@REWRITING
def test_overwrite_partitions_replaces_only_the_partitions_that_the_rows_are_in(open_table):
    parts = (Partition(column="day", transform="day"),)
    put(open_table(spec(partitioning=parts)), spec(partitioning=parts), ROWS, token("a"))

    over = spec(partitioning=parts, mode="overwrite_partitions")
    rows = [{"id": 20, "name": "x", "day": date(2026, 1, 2)}, {"id": 30, "name": "y", "day": None}]
    put(open_table(over), over, rows, token("b"))

    assert ids(open_table(over)) == [1, 20, 30]


def test_a_window_without_rows_still_moves_the_cursor(open_table):
    put(open_table(), spec(), [], token("a"), cursor=1)
    assert open_table().state(KEY).cursor.value == {"at": 1}
    assert open_table().committed(token("a")) is not None
    assert ids(open_table()) == []


@PARTITIONED
def test_every_partition_gets_its_own_file_and_every_row_is_kept(open_table):
    parts = (Partition(column="ingest_date"), Partition(column="id", transform="bucket[2]"), Partition(column="name"))
    a_spec = spec(partitioning=parts)
    staged = stage(open_table(a_spec), a_spec, ROWS, token("a"))
    open_table(a_spec).commit(staged)

    assert len({tuple(f.partition.items()) for f in staged.files}) == len(staged.files) == 3
    assert {f.partition["ingest_date"] for f in staged.files} == {"2026-01-05"}
    rows = open_table(a_spec).preview(10).to_pylist()
    assert sorted(r["id"] for r in rows) == [1, 2, 3]
    assert {r["ingest_date"] for r in rows} == {date(2026, 1, 5)}


@PARTITIONED
def test_another_partitioning_than_the_table_has_is_refused(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    with pytest.raises(ConfigurationError, match="partitioned by nothing and the job says day") as caught:
        open_table(spec(partitioning=(Partition(column="day"),))).writer(token("b"))
    assert caught.value.error_code == "PARTITIONING_DIFFERS"


def test_a_new_column_is_added_and_null_in_earlier_rows(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    wider = spec({**COLUMNS, "price": "decimal(10,2)!"})
    assert [(c.kind, c.column, c.allowed) for c in open_table(wider).changes()] == [("add", "price", True)]
    put(open_table(wider), wider, [{**ROWS[0], "id": 4, "price": Decimal("1.50")}], token("b"))

    rows = {r["id"]: r["price"] for r in open_table(wider).preview(10).to_pylist()}
    assert rows[1] is None
    assert str(rows[4]) == "1.50"
    assert {c.name: c.nullable for c in open_table(wider).columns()}["price"]


@REWRITING
def test_a_type_is_widened_and_both_old_and_new_rows_are_read(open_table):
    narrow, wide = spec({"id": "int32!"}), spec({"id": "int64"})
    put(open_table(narrow), narrow, [{"id": 1}], token("a"))
    put(open_table(wide), wide, [{"id": 2**40}, {"id": None}], token("b"))

    assert {r["id"] for r in open_table(wide).preview(10).to_pylist()} == {1, 2**40, None}
    assert [(c.type, c.nullable) for c in open_table(wide).columns()] == [("int64", True)]


def test_a_refused_change_stops_the_run_before_a_file_is_written(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    fewer = spec({"id": "int64!", "day": "date"})
    with pytest.raises(ConfigurationError, match="drop 'name'") as caught:
        open_table(fewer).writer(token("b"))
    assert caught.value.error_code == "SCHEMA_CHANGE_REFUSED"
    assert list(open_table().orphans(FUTURE)) == []


@REWRITING
def test_a_column_is_dropped_when_the_job_says_so(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    fewer = spec({"id": "int64!", "day": "date"}, evolution=Evolution(drop=True))
    put(open_table(fewer), fewer, [{"id": 4, "day": None}], token("b"))
    assert [c.name for c in open_table(fewer).columns()] == ["id", "day"]
    assert ids(open_table(fewer)) == [1, 2, 3, 4]


def test_a_column_that_becomes_required_stays_nullable_in_the_table_and_does_not_stop_the_run(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    strict = spec({**COLUMNS, "name": "string!"})
    assert [(c.kind, c.allowed) for c in open_table(strict).changes()] == [("require", True)]
    put(open_table(strict), strict, [{**ROWS[0], "id": 4}], token("b"))
    assert {c.name: c.nullable for c in open_table(strict).columns()}["name"]
    assert ids(open_table()) == [1, 2, 3, 4]


def test_files_of_a_failed_attempt_are_orphans_and_can_be_removed(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    table = open_table()
    lost = table.writer(token("b")).write([batch(spec(), ROWS)], "unit")

    assert list(table.orphans(datetime.now(timezone.utc) - timedelta(hours=1))) == []
    found = table.orphans(FUTURE)
    assert {f.path for f in found} == {f.path for f in lost}
    table.remove(found)
    assert list(table.orphans(FUTURE)) == []
    assert ids(open_table()) == [1, 2, 3]


def test_what_a_killed_writer_left_half_written_is_an_orphan(open_table):
    put(open_table(), spec(), ROWS, token("a"))
    table = open_table()
    killed = (
        "import os, signal, sys; from dativo_dagster.storage import open_storage; path = sys.argv[1]\n"
        "stream = open_storage(path).open_write(path); stream.write(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", killed, f"{table.location()}/data/b.parquet"], check=False)

    assert list(table.orphans(datetime.now(timezone.utc) - timedelta(hours=1))) == []
    (left,) = table.orphans(FUTURE)
    assert left.bytes <= len(b"half")
    table.remove([left])
    assert list(table.orphans(FUTURE)) == []
    assert ids(open_table()) == [1, 2, 3]


def test_two_attempts_of_one_token_never_share_a_file(open_table):
    first = stage(open_table(), spec(), ROWS, token("a"))
    table = open_table()
    second = stage(table, spec(), ROWS, token("a"))
    open_table().commit(first)
    table.writer(token("a")).abort(second.files)

    assert not {f.path for f in first.files} & {f.path for f in second.files}
    assert ids(open_table()) == [1, 2, 3]


def test_file_names_tell_token_unit_and_ordinal(open_table):
    staged = stage(open_table(), spec(), ROWS, token("a"))
    assert staged.files[0].path.rpartition("/")[2].startswith(f"{token('a')}-unit-00001-")


def test_the_check_leaves_nothing_behind(open_table, tmp_path):
    result = open_table().check()
    assert result.passed, result.message
    assert open_table().columns() == ()
    assert not [p for p in (tmp_path / "lake").rglob("*") if p.is_file() and p.name != "catalog.db"]


def test_the_check_tells_when_the_place_cannot_be_written(open_table, tmp_path):
    (tmp_path / "lake").write_text("a file where the folder should be")
    result = open_table().check()
    assert not result.passed
    assert result.code
    assert str(tmp_path) in result.message


def test_eight_writers_at_once_lose_and_repeat_no_row(open_table):
    put(open_table(), spec(), [], token("0"))
    staged = [
        stage(open_table(), spec(), [{**ROWS[0], "id": 10 * n + i} for i in range(3)], token(f"{n:x}"))
        for n in range(1, 9)
    ]
    errors = []

    def commit(one):
        try:
            assert open_table().commit(one).fresh
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=commit, args=(one,)) for one in staged]
    [t.start() for t in threads]
    [t.join() for t in threads]

    assert errors == []
    assert ids(open_table()) == sorted(10 * n + i for n in range(1, 9) for i in range(3))
    assert all(open_table().committed(one.token) for one in staged)


def test_eight_runs_of_one_window_at_once_are_one_commit(open_table):
    staged = [stage(open_table(), spec(), ROWS, token("a")) for _ in range(8)]
    fresh = []
    threads = [threading.Thread(target=lambda s: fresh.append(open_table().commit(s).fresh), args=(s,)) for s in staged]
    [t.start() for t in threads]
    [t.join() for t in threads]

    assert sorted(fresh) == [False] * 7 + [True]
    assert ids(open_table()) == [1, 2, 3]


@REWRITING
def test_every_type_comes_back_as_it_went_in(open_table):
    kinds = {
        "id": "int64!", "b": "boolean", "i": "int16", "u": "uint32", "f": "float32", "x": "double",
        "d": "decimal(38,9)", "s": "string", "y": "binary", "g": "uuid", "t": "time", "ts": "timestamp[ms]",
        "tz": "timestamptz", "j": "json", "l": "list<string>", "m": "map<string,int64>",
        "st": "struct<a: int64, b: list<string>>",
    }  # fmt: skip
    row = {
        "id": 1, "b": True, "i": -3, "u": 2**32 - 1, "f": 1.5, "x": 1e300, "d": Decimal("-0.000000001"), "s": "😀",
        "y": b"\x00", "g": UUID(int=7).bytes, "t": time(1, 2, 3, 4),
        "ts": datetime.min,  # noqa: DTZ901 - without a zone on purpose
         "tz": datetime(9999, 12, 31, tzinfo=timezone.utc), "j": '{"a": 1}', "l": ["a", None],
        "m": [("k", 1)], "st": {"a": 1, "b": ["x"]},
    }  # fmt: skip
    a_spec = spec(kinds)
    put(open_table(a_spec), a_spec, [row], token("a"))

    assert open_table(a_spec).preview(1).to_pylist() == [{**row, "g": UUID(int=7)}]
    assert list(open_table(a_spec).changes()) == []


def test_a_column_is_described_in_logical_types(open_table):
    nested = spec({"id": "int64", "tags": "list<struct<name: string, at: timestamptz>>"})
    put(open_table(nested), nested, [{"id": 1, "tags": None}], token("a"))
    assert open_table(nested).columns()[1] == Column(name="tags", type="list<struct<name: string, at: timestamptz>>")


def test_a_file_is_rolled_at_the_size_that_the_job_says(open_table):
    small = spec({"id": "int64!"}, file_size_bytes=10_000)
    table = open_table(small)
    rows = pa.record_batch(
        {"id": pa.array(range(50_000), pa.int64())}, schema=pa.schema([pa.field("id", pa.int64(), nullable=False)])
    )
    written = table.writer(token("a")).write([rows.slice(i, 500) for i in range(0, 50_000, 500)], "unit")
    assert len(written) > 3
    assert sum(f.rows for f in written) == 50_000
    assert all(f.bytes < 60_000 for f in written)
