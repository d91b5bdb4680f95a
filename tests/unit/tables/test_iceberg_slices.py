"""Overwriting one part of an Iceberg table: exactly the slice's rows are replaced."""

from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from pyiceberg.exceptions import CommitFailedException

from dativo_dagster.config.job import Partition, Slice
from dativo_dagster.tables.iceberg import Config, Table
from dativo_ingest.exceptions import ConfigurationError
from tests.fakes.flaky import Flaky
from tests.fakes.lake import put, spec, stage, token

COLUMNS = {"id": "int64!", "day": "date", "at": "timestamptz[us]", "where": "string"}


@pytest.fixture(autouse=True)
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    return tmp_path / "lake"


def open_table(a_spec=None):
    return Table(Config(), a_spec or spec(COLUMNS))


def row(n, day, hour=0, where="de"):
    return {"id": n, "day": date(2026, 1, day), "at": datetime(2026, 1, day, hour, tzinfo=timezone.utc), "where": where}


def part(column="day", lower="2026-01-02T00:00:00+00:00", upper="2026-01-03T00:00:00+00:00"):
    return Slice(key="part", column=column, lower=lower, upper=upper)


def over(a_slice, rows, letter="b", **more):
    a_spec = spec(COLUMNS, mode="overwrite", slice=a_slice, **more)
    return put(open_table(a_spec), a_spec, rows, token(letter))


def ids():
    return sorted(i for b in open_table().scan() for i in b.column("id").to_pylist())


def paths():
    return {t.file.file_path for t in open_table()._load().scan().plan_files()}


def test_only_the_rows_of_the_slice_make_room():
    put(
        open_table(),
        spec(COLUMNS),
        [row(1, 1), row(2, 2), row(3, 2), row(4, 3), {**row(5, 2), "day": None}],
        token("a"),
    )
    snapshot = over(part(), [row(20, 2)])
    assert ids() == [1, 4, 5, 20]
    assert snapshot.total_rows == 4


def test_files_outside_stay_as_they_are_and_files_inside_are_not_read():
    for n, day in [(1, 1), (2, 2), (3, 3)]:
        put(open_table(), spec(COLUMNS), [row(n, day)], token(str(n)))
    before = paths()
    inside = next(p for p in before if f"/{token('2')}-" in p)
    Path(inside.removeprefix("file://")).unlink()
    over(part(), [row(20, 2)])
    assert ids() == [1, 3, 20]
    assert len(before & paths()) == 2


def test_a_slice_that_now_has_no_rows_is_emptied_and_the_run_is_remembered():
    put(open_table(), spec(COLUMNS), [row(1, 1), row(2, 2)], token("a"))
    over(part(), [])
    assert ids() == [1]
    assert open_table().committed(token("b"))


def test_the_same_run_again_is_one_commit_and_a_later_one_replaces_it():
    put(open_table(), spec(COLUMNS), [row(1, 1), row(2, 2)], token("a"))
    over(part(), [row(20, 2)])
    assert not over(part(), [row(20, 2)]).fresh
    over(part(), [row(30, 2), row(31, 2)], "c")
    assert ids() == [1, 30, 31]


def test_a_moment_belongs_to_the_half_open_slice_of_its_instant():
    rows = [row(1, 1, 22), row(2, 1, 23), row(3, 2, 22), row(4, 2, 23)]
    put(open_table(), spec(COLUMNS), rows, token("a"))
    berlin = part("at", "2026-01-02T00:00:00+01:00", "2026-01-03T00:00:00+01:00")
    over(berlin, [row(20, 2, 12)])
    assert ids() == [1, 4, 20]


@pytest.mark.parametrize("zone", ["+13:00", "+00:00", "-11:00"])
def test_a_date_belongs_to_the_day_of_the_calendar_whatever_its_zone(zone):
    put(open_table(), spec(COLUMNS), [row(1, 1), row(2, 2), row(3, 3)], token("a"))
    over(part("day", f"2026-01-02T00:00:00{zone}", f"2026-01-03T00:00:00{zone}"), [row(20, 2)])
    assert ids() == [1, 3, 20]


def test_named_parts_are_the_rows_with_those_values():
    put(open_table(), spec(COLUMNS), [row(1, 1), row(2, 1, where="at"), row(3, 1, where="fr")], token("a"))
    over(Slice(key="dach", column="where", values=("de", "at")), [row(20, 1)])
    assert ids() == [3, 20]


def test_partitioned_tables_keep_their_partitions():
    parts = (Partition(column="where"),)
    parted = spec(COLUMNS, partitioning=parts)
    put(open_table(parted), parted, [row(1, 1), row(2, 2), row(3, 2, where="fr"), row(4, 3, where="fr")], token("a"))
    over(part(), [row(20, 2, where="fr")], partitioning=parts)
    assert ids() == [1, 4, 20]
    in_france = open_table()._load().scan(row_filter="where = 'fr'").to_arrow()
    assert sorted(in_france["id"].to_pylist()) == [4, 20]


def test_rows_outside_the_slice_are_refused_because_the_next_run_would_double_them():
    put(open_table(), spec(COLUMNS), [row(1, 1)], token("a"))
    for wrong in (row(20, 3), {**row(20, 2), "day": None}):
        with pytest.raises(ConfigurationError, match="once more") as caught:
            over(part(), [row(21, 2), wrong])
        assert caught.value.error_code == "OUTSIDE_SLICE"
    assert ids() == [1]


def test_rows_of_another_value_are_refused_as_well():
    with pytest.raises(ConfigurationError, match="de, at"):
        over(Slice(key="dach", column="where", values=("de", "at")), [row(1, 1, where="fr")])


def test_a_column_that_the_table_lacks_is_named():
    with pytest.raises(ConfigurationError, match="'nowhere'") as caught:
        over(part("nowhere"), [row(1, 2)])
    assert caught.value.error_code == "BAD_SLICE"


def test_a_conflict_is_decided_anew_and_leaves_no_file_behind(lake):
    put(open_table(), spec(COLUMNS), [row(1, 1), row(2, 2)], token("a"))
    a_spec = spec(COLUMNS, mode="overwrite", slice=part())
    staged = stage(open_table(a_spec), a_spec, [row(20, 2)], token("b"))
    put(open_table(), spec(COLUMNS), [row(3, 2), row(4, 3)], token("c"))
    table = open_table(a_spec)
    table._catalog = Flaky(table._catalog, [(False, CommitFailedException("moved"))] * 2)

    table.commit(staged)

    assert ids() == [1, 4, 20]
    written = {f"file://{p}" for p in lake.rglob("*.parquet")}
    assert len(written - paths()) == 2  # the two that were replaced, which older snapshots have
