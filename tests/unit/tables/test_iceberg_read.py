"""Reading a table back: exact, by field id, and without loading whole files for a few rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.tables.iceberg import Config, Table
from dativo_dagster.tables.iceberg import read as reading
from tests.fakes.lake import put, spec, token


@pytest.fixture(autouse=True)
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    return tmp_path / "lake"


def open_table(a_spec):
    return Table(Config(), a_spec)


def test_a_list_that_is_null_is_not_an_empty_list():
    nested = spec({"id": "int64", "items": "list<struct<a: int64>>"})
    rows = [{"id": 1, "items": None}, {"id": 2, "items": []}, {"id": 3, "items": [{"a": 1}]}]
    put(open_table(nested), nested, rows, token("a"))
    assert open_table(nested).preview(9).to_pylist() == rows


def test_files_of_an_older_schema_read_as_the_table_is_now():
    old, new = spec({"id": "int32", "n": "float"}), spec({"extra": "string", "n": "double", "id": "int64"})
    put(open_table(old), old, [{"id": 1, "n": 0.5}], token("a"))
    put(open_table(new), new, [{"id": 2**40, "n": 1.5, "extra": "x"}], token("b"))
    rows = sorted(open_table(new).preview(9).to_pylist(), key=lambda r: r["id"])
    assert rows == [{"id": 1, "n": 0.5, "extra": None}, {"id": 2**40, "n": 1.5, "extra": "x"}]


def test_files_that_others_added_without_field_ids_are_read_too(tmp_path):
    plain = spec({"id": "int64", "name": "string"})
    put(open_table(plain), plain, [{"id": 1, "name": "ours"}], token("a"))
    theirs = tmp_path / "theirs.parquet"
    pq.write_table(pa.table({"id": [2], "name": ["theirs"]}), theirs)
    open_table(plain)._load().add_files([f"file://{theirs}"])
    assert sorted(open_table(plain).preview(9).column("name").to_pylist()) == ["ours", "theirs"]


def test_rows_that_others_deleted_are_gone():
    plain = spec({"id": "int64"})
    put(open_table(plain), plain, [{"id": n} for n in range(5)], token("a"))
    open_table(plain)._load().delete("id < 3")
    assert sorted(open_table(plain).preview(9).column("id").to_pylist()) == [3, 4]


def test_the_first_rows_do_not_take_the_whole_file(monkeypatch):
    plain = spec({"id": "int64"})
    put(open_table(plain), plain, [{"id": n} for n in range(50_000)], token("a"))
    decoded = []
    as_now = reading.as_now

    def counting(batch, *rest):
        decoded.append(batch.num_rows)
        return as_now(batch, *rest)

    monkeypatch.setattr(reading, "as_now", counting)
    assert open_table(plain).preview(5).num_rows == 5
    assert decoded == [5]
