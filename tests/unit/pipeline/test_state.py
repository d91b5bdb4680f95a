"""Lost memory, memory that people change, and what the next run makes of it."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import Openers, open_table
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.pipeline.run import run_stream
from dativo_dagster.pipeline.state import Who, cursor_of, of_partition, remembered, reset, set_cursor, shown
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import Cursor, Unit, Window

JOB = """\
name: {name}
tenant: acme
source: {{connector: csv, files: ["{name}*.csv"], incremental: {{strategy: file_modified_time{missing}}}}}
target: {target}
contract: {{name: orders, schema: [{{name: id, type: int64, required: true}}, {{name: at, type: int64}}]}}
"""
TARGETS = {
    "iceberg": "{connector: iceberg, table: shop.orders}",
    "files": "{connector: parquet, path: out, table: shop.orders}",
}
ANA = Who(by="ana@desk", reason="a test")


@pytest.fixture(params=["iceberg", "files"])
def target(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    return request.param


@pytest.fixture
def job(target):
    def made(missing="stop", name="orders"):
        rule = f", on_missing_state: {missing}" if missing else ""
        file = Path(f"{name}.yaml").absolute()
        file.write_text(JOB.format(name=name, missing=rule, target=TARGETS[target]))
        return load_job(file)

    return made


def write(name, *ids):
    Path(f"{name}.csv").write_text("id,at\n" + "".join(f"{i},{i}\n" for i in ids))


def run(a_job):
    (result,) = run_job(a_job).streams
    return result


def ids(a_job):
    return sorted(r["id"] for b in open_table(a_job, a_job.streams[0]).scan() for r in b.to_pylist())


def forget(a_job, target, *, corrupt=False):
    """Take the state out of the table, or break it, behind everybody's back."""
    if target == "iceberg":
        table = open_table(a_job, a_job.streams[0])._load()
        key = f"dativo.state.{a_job.key(a_job.streams[0])}"
        transaction = table.transaction()
        transaction.set_properties({key: "{half"}) if corrupt else transaction.remove_properties(key)
        transaction.commit_transaction()
        return
    head = Path("out/_dativo/manifest.json")
    said = json.loads(head.read_text())
    key = a_job.key(a_job.streams[0])
    del said["state"][key]
    said["state"] |= {key: "half"} if corrupt else {}
    head.write_text(json.dumps(said))


def test_a_table_that_lost_its_memory_stops_the_run(job, target):
    write("orders1", 1, 2)
    assert run(job()).status == "committed"
    forget(job(), target)
    write("orders2", 3)
    result = run(job())
    assert (result.status, result.error["error_code"]) == ("failed", "STATE_MISSING")
    assert "dativo state set" in result.error["message"]
    assert ids(job()) == [1, 2]


def test_who_wants_all_read_again_gets_it(job, target):
    write("orders1", 1, 2)
    run(job())
    forget(job(), target)
    write("orders2", 3)
    assert run(job("read_all")).status == "committed"
    assert ids(job()) == [1, 1, 2, 2, 3]
    assert run(job("read_all")).status == "nothing_new"


def test_a_reset_is_no_lost_memory(job, target):
    write("orders1", 1, 2)
    run(job())
    forget(job(), target)
    a_job = job()
    reset(a_job, a_job.streams[0], ANA)
    assert run(job()).status == "committed"
    assert ids(job()) == [1, 1, 2, 2]


def test_a_second_stream_may_begin_in_a_table_that_others_filled(job):
    write("orders1", 1, 2)
    run(job())
    write("others1", 7)
    result = run(job(name="others"))
    assert result.status == "committed", result.error
    assert ids(job()) == [1, 2, 7]


def test_a_corrupt_state_is_an_error_and_never_an_empty_one(job, target):
    write("orders1", 1, 2)
    run(job())
    forget(job(), target, corrupt=True)
    for missing in ("stop", "read_all"):
        result = run(job(missing))
        assert (result.status, result.error["error_code"]) == ("failed", "STATE_CORRUPT")
    assert ids(job()) == [1, 2]


def test_a_corrupt_state_of_one_stream_leaves_the_others_alone(job, target):
    write("orders1", 1, 2)
    write("others1", 7)
    run(job(name="others"))
    run(job())
    forget(job(), target, corrupt=True)
    write("others2", 8)
    result = run(job(name="others"))
    assert result.status == "committed", result.error


class Database:
    """A reader of one table with a cursor column, as small as can be."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def split(self, stream, since):
        low = int(since.value["value"]) if since else 0
        high = max((at for _, at in self._rows(low)), default=low - 1) + 1
        units = (Unit(id="all", spec={"low": low, "high": high}),) if high > low else ()
        after = Cursor(value={"column": "at", "value": str(high)})
        return Window(units=units, fingerprint=f"from {low}", before=since, after=after)

    def read(self, stream, unit):
        import pyarrow as pa

        rows = [r for r in self._rows(unit.spec["low"]) if r[1] < unit.spec["high"]]
        yield pa.RecordBatch.from_pylist([{"id": i, "at": at} for i, at in rows])

    def position(self, unit):
        return 0

    def reached(self, window):
        return window.after

    def resume(self, value):
        return Cursor(value={"column": "at", "value": str(value + 1)})

    def _rows(self, low):
        with sqlite3.connect(self.path) as connection:
            return connection.execute("SELECT id, at FROM orders WHERE at >= ? ORDER BY at", (low,)).fetchall()


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "orders.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, at INTEGER)")

    def add(*rows):
        with sqlite3.connect(path) as connection:
            connection.executemany("INSERT INTO orders VALUES (?, ?)", rows)

    add.openers = Openers(reader=lambda job, stream: Database(path))
    return add


def with_cursor(a_job, missing="stop"):
    (stream,) = a_job.streams
    rule = dataclasses.replace(stream.source.incremental, cursor_field="at", on_missing_state=missing)
    return dataclasses.replace(stream, source=dataclasses.replace(stream.source, incremental=rule))


def run_database(a_job, database, missing="stop"):
    return run_stream(a_job, with_cursor(a_job, missing), database.openers, run_id="r")


def test_a_lost_cursor_is_recovered_from_the_table(job, target, database):
    database((1, 10), (2, 20))
    run_database(job(), database)
    forget(job(), target)
    database((3, 30))
    with pytest.raises(ConfigurationError) as caught:
        run_database(job(), database)
    assert caught.value.error_code == "STATE_MISSING"
    assert run_database(job(), database, "recover").counts.read == 1
    assert ids(job()) == [1, 2, 3]


def test_a_cursor_is_not_recovered_from_the_rows_of_another_stream(job, target, database):
    database((1, 10))
    run_database(job(), database)
    write("others1", 99)
    assert run(job(name="others")).status == "committed"
    forget(job(), target)
    database((3, 30))
    with pytest.raises(ConfigurationError) as caught:
        run_database(job(), database, "recover")
    assert caught.value.error_code == "STATE_NOT_RECOVERABLE"
    assert ids(job()) == [1, 99]


def test_a_value_of_the_cursor_column_is_where_the_next_run_starts(job, database):
    database((1, 10), (2, 20), (3, 30))
    run_database(job(), database)
    a_job = job()
    stream = with_cursor(a_job)
    cursor = cursor_of("20", a_job, stream, database.openers)
    change = set_cursor(a_job, stream, cursor, ANA)
    assert (change.action, change.by, change.after.cursor.value) == (
        "set",
        "ana@desk",
        {"column": "at", "value": "20"},
    )
    assert run_database(a_job, database).counts.read == 2
    assert ids(a_job) == [1, 2, 2, 3, 3]


def test_a_window_that_is_read_again_on_purpose_is_not_taken_for_the_first(job, database):
    database((1, 10))
    first = run_database(job(), database)
    a_job = job()
    for _ in range(2):
        reset(a_job, with_cursor(a_job), ANA)
        again = run_database(a_job, database)
        assert again.token != first.token
    assert ids(a_job) == [1, 1, 1]


def test_all_that_is_remembered_of_a_stream_is_listed_with_its_parts(job):
    write("orders1", 1)
    run(job())
    a_job = job()
    (stream,) = a_job.streams
    assert [(r.key, r.part) for r in remembered(a_job, stream)] == [("acme.orders.orders", "")]

    partitions = _monthly(stream)
    reset(a_job, of_partition(partitions, "2026-01-01"), ANA)
    assert [r.part for r in remembered(a_job, partitions)] == ["", "2026-01-01"]
    (_, part) = remembered(a_job, partitions)
    assert (part.state.cursor, part.changes[0].reason) == (None, "a test")


def _monthly(stream):
    from dativo_dagster.config.job import Partitions

    return dataclasses.replace(stream, partitions=Partitions(column="at", every="month", start="2026-01-01"))


def test_a_part_has_no_cursor_and_a_stream_without_parts_no_part(job):
    a_job = job()
    (stream,) = a_job.streams
    with pytest.raises(ConfigurationError, match="is read whole") as caught:
        cursor_of("5", a_job, _monthly(stream))
    assert caught.value.error_code == "BAD_CURSOR"
    for a_stream, key in ((stream, "2026-01-01"), (_monthly(stream), None)):
        with pytest.raises(ConfigurationError) as caught:
            of_partition(a_stream, key)
        assert caught.value.error_code == "NO_PARTITIONS"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none: all is read"),
        ({"column": "at", "value": "2026-01-01"}, "2026-01-01"),
        ({"state": {"at": 1}}, '{"state": {"at": 1}}'),
        ({"value": "x" * 99}, "x" * 59 + "…"),
    ],
)
def test_a_cursor_is_shown_in_a_line(value, text):
    assert shown(None if value is None else Cursor(value=value)) == text


def test_a_change_says_when_it_was(job):
    write("orders1", 1)
    run(job())
    a_job = job()
    change = reset(a_job, a_job.streams[0], ANA)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(change.at)
    assert 0 <= age.total_seconds() < 60
