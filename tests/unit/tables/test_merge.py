"""Merge and SCD2 through real tables: files, snapshots, conflicts, evolution."""

import itertools
import threading
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dativo_dagster.config.job import Merge, Partition, Slice
from dativo_dagster.merging.moments import added
from dativo_dagster.tables import files, iceberg
from dativo_dagster.validation.typemap import arrow_schema
from dativo_ingest.exceptions import ValidationError
from dativo_ingest.model import Counts, Staged
from tests.fakes.deletes import delete_positions
from tests.fakes.lake import spec as lake_spec

COLUMNS = {"id": "int64!", "v": "int64", "name": "string", "day": "date"}
MERGE = Merge(key=("id",), order_by="v")
HISTORY = Merge(key=("id",), order_by="at", delete_missing=False)
TIMED = {"id": "int64!", "at": "timestamptz[us]", "name": "string"}
NUMBERS = itertools.count()
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LATER = datetime(2100, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(params=["iceberg", "files"])
def kind(request):
    return {"iceberg": iceberg, "files": files}[request.param]


def _first(row):
    """Order rows by their first two values, the key and what orders its rows."""
    return [*row.values()][:2]


class Lake:
    """A table of one kind, opened anew for everything as runs do."""

    def __init__(self, kind, columns=None, *, mode="merge", merge=MERGE, name="orders", **more):
        self.kind, self.columns, self.mode, self.merge, self.name, self.more = (
            kind,
            columns or COLUMNS,
            mode,
            merge,
            name,
            more,
        )
        self.number = 0

    def open(self, **changes):
        columns = changes.pop("columns", self.columns)
        stored = dict(columns)
        if self.mode == "scd2":
            stored |= {
                n: "boolean" if pa.types.is_boolean(t) else "timestamptz[us]" for n, t in added(self.merge).items()
            }
        options = {"mode": self.mode, "merge": self.merge, **self.more, **changes}
        return self.kind.Table(self.kind.Config(), lake_spec(stored, identifier=f"shop.{self.name}", **options))

    def stage(self, *parts, at=START, whole=False, counts=None, **changes):
        self.number += 1
        name = f"{self.number:024x}"
        table = self.open(**changes)
        writer = table.writer(name)
        schema = arrow_schema(lake_spec(changes.get("columns", self.columns)).contract)
        made = [
            f
            for at_, rows in enumerate(parts)
            if rows
            for f in writer.write([pa.RecordBatch.from_pylist(rows, schema=schema)], f"unit{at_}")
        ]
        staged = Staged(
            token=name,
            key="acme.shop.orders",
            mode=table.spec.mode,
            files=tuple(made),
            counts=Counts(read=sum(map(len, parts)), written=sum(map(len, parts))),
            table=table.prepared(),
            at=at.isoformat(),
            whole=whole,
        )
        return Staged.loads(staged.dumps())

    def put(self, *parts, **more):
        changes = {k: v for k, v in more.items() if k in {"columns", "mode", "slice", "merge", "file_size_bytes"}}
        return self.open(**changes).commit(self.stage(*parts, **more))

    def rows(self):
        return sorted((r for b in self.open().scan() for r in b.to_pylist()), key=_first)

    def told(self):
        return [(r["id"], r["v"], r["name"]) for r in self.rows()]

    def paths(self):
        """Give the data files that lie below the table, visible or not."""
        return set(Path(self.open().location().removeprefix("file://")).rglob("*.parquet"))

    def nobodys(self):
        return {Path(f.path.removeprefix("file://")) for f in self.open().orphans(LATER)}


@pytest.fixture(autouse=True)
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))


def row(key, v=0, name="", day=1):
    return {"id": key, "v": v, "name": name, "day": date(2026, 1, day)}


def test_a_merge_is_one_snapshot_that_says_what_it_replaced(kind):
    table = Lake(kind)
    table.put([row(n) for n in range(10)])
    done = table.put([row(3, 1, "new"), row(99, 1, "new")])
    assert (done.replaced_rows, done.rows, done.total_rows) == (10, 11, 11)
    assert [r for r in table.told() if r[2]] == [(3, 1, "new"), (99, 1, "new")]
    if kind is iceberg:
        assert len(table.open()._load().snapshots()) == 2


def test_files_that_have_no_key_of_the_run_stay_as_they_are(kind):
    table = Lake(kind)
    for first in range(0, 100, 10):
        table.put([row(n) for n in range(first, first + 10)])
    before = {p: p.stat().st_mtime_ns for p in table.paths()}
    done = table.put([row(42, 1, "new")])
    assert (done.files, done.total_files, done.replaced_rows) == (2, 11, 10)
    assert sum(p.exists() and p.stat().st_mtime_ns == at for p, at in before.items()) >= 9


def test_rows_of_a_run_are_written_once_when_all_of_them_count(kind):
    table = Lake(kind)
    staged = table.stage([row(1), row(2)])
    table.open().commit(staged)
    assert {p.name for p in table.paths()} == {f.path.rpartition("/")[2] for f in staged.files}


def test_files_of_a_run_whose_rows_do_not_all_count_are_never_visible(kind):
    table = Lake(kind)
    table.put([row(1, 5, "kept")])
    staged = table.stage([row(1, 4, "late"), row(2, 1, "new")])
    table.open().commit(staged)
    assert table.told() == [(1, 5, "kept"), (2, 1, "new")]
    left = {p.name for p in table.nobodys()}
    assert {f.path.rpartition("/")[2] for f in staged.files} <= left
    assert not left & {p.name for p in table.paths() - table.nobodys()}


def test_a_run_is_merged_once_however_often_it_is_committed(kind):
    table = Lake(kind)
    table.put([row(1)])
    staged = table.stage([row(1, 1, "new"), row(1, 0, "old")])
    first = table.open().commit(staged)
    again = table.open().commit(staged)
    assert (first.fresh, again.fresh) == (True, False)
    assert table.told() == [(1, 1, "new")]


def test_a_run_that_cannot_be_merged_leaves_the_table_as_it_is(kind):
    table = Lake(kind)
    table.put([row(1)])
    with pytest.raises(ValidationError):
        table.put([row(2, 1, "a")], [row(2, 1, "b")])
    assert table.told() == [(1, 0, "")]


def test_partitions_are_kept_where_rows_are_written_again(kind):
    table = Lake(kind, partitioning=(Partition(column="day"), Partition(column="id", transform="bucket[4]")))
    table.put([row(n, day=n % 3 + 1) for n in range(30)])
    table.put([row(4, 1, "moved", day=3), row(5, 1, "same", day=3)])
    for batch in table.open().scan():
        assert batch.num_rows
    found = {r["id"]: r["day"].day for r in table.rows()}
    assert found == {n: 3 if n in (4, 5) else n % 3 + 1 for n in range(30)}
    visible = {str(p) for p in table.paths() - table.nobodys()}
    for path in visible:
        day = duckdb.sql(f"select distinct day from read_parquet('{path}', hive_partitioning=false)").fetchall()
        assert [f"day={d.isoformat()}" in path for (d,) in day] == [True]


def test_a_column_that_came_later_is_null_in_rows_that_are_written_again(kind):
    table = Lake(kind)
    table.put([row(1), row(2)])
    wider = {**COLUMNS, "more": "string"}
    table.put([{**row(2, 1, "new"), "more": "x"}], columns=wider)
    table.columns = wider
    assert [(r["id"], r["more"]) for r in table.rows()] == [(1, None), (2, "x")]


def test_a_renamed_and_widened_column_is_read_by_its_id():
    from dativo_dagster.config.job import Evolution

    table = Lake(iceberg, {"id": "int32", "old": "string"}, merge=Merge(key=("id",)))
    table.put([{"id": n, "old": f"o{n}"} for n in (1, 2)])
    table.columns = {"id": "int64", "new": "string"}
    table.more = {"evolution": Evolution(rename={"old": "new"})}
    table.put([{"id": 2, "new": "n2"}, {"id": 2**40, "new": "far"}])
    assert table.rows() == [{"id": 1, "new": "o1"}, {"id": 2, "new": "n2"}, {"id": 2**40, "new": "far"}]


def test_a_merge_of_nothing_into_nothing_is_a_commit(kind):
    table = Lake(kind)
    assert table.put().fresh
    assert table.rows() == []


def test_a_full_read_deletes_what_it_does_not_have(kind):
    table = Lake(kind, merge=Merge(key=("id",), delete_missing=True))
    table.put([row(n) for n in range(5)], whole=True)
    table.put([row(2, 7)], whole=True)
    assert table.told() == [(2, 7, "")]


def test_a_slice_makes_room_for_the_rows_of_its_run_and_no_others(kind):
    table = Lake(kind, mode="overwrite", merge=None)
    table.put([row(n, day=n) for n in range(1, 6)])
    part = Slice(key="d", column="day", lower="2026-01-02T00:00:00+00:00", upper="2026-01-04T00:00:00+00:00")
    table.put([row(9, day=3)], slice=part)
    table.put([row(9, 1, day=2)], slice=part)
    assert [(r["id"], r["v"]) for r in table.rows()] == [(1, 0), (4, 0), (5, 0), (9, 1)]


def test_an_append_and_a_merge_that_meet_leave_the_rows_of_both(kind):
    table = Lake(kind)
    table.put([row(n) for n in range(20)])
    merge = table.stage([row(n, 1, "merged") for n in range(0, 40, 2)])
    other = table.stage([row(n, 0, "appended") for n in (100, 101)], mode="append")
    start = threading.Barrier(2)

    def commit(staged, **changes):
        start.wait()
        table.open(**changes).commit(staged)

    threads = [
        threading.Thread(target=commit, args=(merge,)),
        threading.Thread(target=commit, args=(other,), kwargs={"mode": "append"}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r[0] for r in table.told()] == [*range(20), *range(20, 40, 2), 100, 101]
    assert [r[0] for r in table.told() if r[2] == "merged"] == [*range(0, 40, 2)]


class Meddled:
    """A catalog in which somebody else commits just before we do, as often as there are deeds."""

    def __init__(self, catalog, deeds):
        self.catalog, self.deeds = catalog, list(deeds)

    def __getattr__(self, name):
        return getattr(self.catalog, name)

    def load_table(self, identifier):
        table = self.catalog.load_table(identifier)
        table.catalog = self
        return table

    def commit_table(self, table, requirements, updates):
        if self.deeds:
            self.deeds.pop(0)()
        return self.catalog.commit_table(table, requirements, updates)


def test_a_merge_that_others_overtake_is_made_against_what_they_left():
    table = Lake(iceberg, file_size_bytes=1)
    for first in (0, 10, 20):
        table.put([row(n) for n in range(first, first + 10)])

    def compact():
        theirs = table.open()._load()
        theirs.overwrite(theirs.scan().to_arrow())

    opened = table.open()
    staged = table.stage([row(3, 1, "new"), row(15, 1, "new")])
    appended = lambda: table.put([row(50, 9, "theirs"), row(3, 0, "late")], mode="append")  # noqa: E731
    opened._catalog = Meddled(opened._catalog, [appended, compact])
    assert opened.commit(staged).fresh
    assert [r for r in table.told() if r[2]] == [(3, 1, "new"), (15, 1, "new"), (50, 9, "theirs")]
    assert len(table.told()) == 31


def test_what_was_written_for_an_attempt_that_lost_is_used_again_or_removed():
    table = Lake(iceberg)
    table.put([row(n) for n in range(10)])
    opened = table.open()
    staged = table.stage([row(3, 1, "new")])
    opened._catalog = Meddled(
        opened._catalog,
        [lambda: table.put([row(70)], mode="append"), lambda: table.put([row(3, 0, "x")], mode="append")],
    )
    opened.commit(staged)
    assert not {p for p in table.nobodys() if staged.token in p.name}
    assert len(table.told()) == 11


def test_a_merge_sees_rows_that_another_engine_deletes_between_two_attempts():
    table = Lake(iceberg)
    table.put([row(n) for n in range(10)])
    (path,) = [task.file.file_path for task in table.open()._load().scan().plan_files()]
    delete_positions(table.open()._load(), path, [8])
    opened, staged = table.open(), table.stage([row(3, 1, "new")])
    opened._catalog = Meddled(opened._catalog, [lambda: delete_positions(table.open()._load(), path, [9])])
    opened.commit(staged)
    assert [r[0] for r in table.told()] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_an_interrupt_while_the_catalog_answers_takes_no_file_of_a_merge_that_landed():
    class Interrupted(Meddled):
        def commit_table(self, *said):
            self.catalog.commit_table(*said)
            raise KeyboardInterrupt

    table = Lake(iceberg)
    table.put([row(n) for n in range(10)])
    opened, staged = table.open(), table.stage([row(3, 1, "new")])
    opened._catalog = Interrupted(opened._catalog, [])
    with pytest.raises(KeyboardInterrupt):
        opened.commit(staged)
    assert [r for r in table.told() if r[1]] == [(3, 1, "new")]
    assert len(table.told()) == 10


def test_what_was_written_for_a_merge_that_is_refused_is_removed():
    class Refused(Meddled):
        def commit_table(self, *_):
            from pyiceberg.exceptions import ForbiddenError

            raise ForbiddenError("no")

    from dativo_ingest.exceptions import CommitError

    table = Lake(iceberg)
    table.put([row(n) for n in range(10)])
    opened, staged = table.open(), table.stage([row(3, 1, "new")])
    opened._catalog = Refused(opened._catalog, [])
    with pytest.raises(CommitError):
        opened.commit(staged)
    left = {p.name for p in table.nobodys() if p.suffix == ".parquet"}
    assert left == {f.path.rpartition("/")[2] for f in staged.files}


def test_history_is_kept_in_tables_of_both_kinds(kind):
    table = Lake(kind, TIMED, mode="scd2", merge=HISTORY)

    def at(hour):
        return START + timedelta(hours=hour)

    table.put([{"id": 1, "at": at(1), "name": "a"}, {"id": 2, "at": at(1), "name": "x"}])
    table.put([{"id": 1, "at": at(5), "name": "c"}])
    table.put([{"id": 1, "at": at(3), "name": "b"}], [{"id": 2, "at": at(1), "name": "x"}])
    held = [(r["id"], r["name"], r["valid_from"], r["valid_to"], r["is_current"]) for r in table.rows()]
    assert held == [
        (1, "a", at(1), at(3), False),
        (1, "b", at(3), at(5), False),
        (1, "c", at(5), None, True),
        (2, "x", at(1), None, True),
    ]


def test_history_by_the_time_of_the_run(kind):
    table = Lake(kind, {"id": "int64!", "name": "string"}, mode="scd2", merge=Merge(key=("id",), delete_missing=True))
    table.put([{"id": 1, "name": "a"}, {"id": 2, "name": "x"}], at=START, whole=True)
    later = START + timedelta(days=1)
    table.put([{"id": 1, "name": "b"}], at=later, whole=True)
    held = [(r["id"], r["name"], r["valid_from"], r["valid_to"]) for r in table.rows()]
    assert held == [(1, "a", START, later), (1, "b", later, None), (2, "x", START, later)]


def test_a_wide_table_is_merged(kind):
    columns = {"id": "int64!", **{f"c{n}": "int64" for n in range(500)}}
    table = Lake(kind, columns, merge=Merge(key=("id",)))
    table.put([{"id": n, **{f"c{m}": m for m in range(500)}} for n in range(50)])
    table.put([{"id": n, **{f"c{m}": -m for m in range(500)}} for n in range(25, 75)])
    assert {r["id"]: r["c499"] for r in table.rows()} == {n: 499 if n < 25 else -499 for n in range(75)}


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=20), min_size=1, max_size=4), st.data()
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_runs_leave_what_a_dict_would(kind, runs, data):
    name = f"t{next(NUMBERS)}"
    parts = (Partition(column="id", transform="bucket[3]"),) if data.draw(st.booleans()) else ()
    table, oracle, version = Lake(kind, name=name, partitioning=parts), {}, 0
    for run in runs:
        rows = [row(key, version * 10 + n, f"{version}.{n}", day) for n, (key, day) in enumerate(run)]
        version += 1 if data.draw(st.booleans()) else -1
        for one in sorted(rows, key=lambda r: r["v"]):
            if one["id"] not in oracle or oracle[one["id"]]["v"] <= one["v"]:
                oracle[one["id"]] = one
        table.put(rows[::2], rows[1::2])
        found = table.rows()
        assert found == sorted(oracle.values(), key=_first)


LONG = "a text longer than the sixteen letters that bounds keep "
KEYS = {
    "string": [LONG + letter for letter in "abcdef"],
    "string?": ["", "z", "ä", "\U0010ffff" * 17, "\U0010ffff" * 18, "a"],
    "date": [
        date(1, 1, 1),
        date(1969, 12, 31),
        date(2026, 1, 1),
        date(9999, 12, 31),
        date(1970, 1, 1),
        date(2000, 2, 29),
    ],
    "decimal(38,9)": [Decimal(n) for n in ("-9e20", "-1.5", "0", "0.000000001", "1.5", "9e20")],
    "timestamptz[us]": [START + timedelta(days=n, microseconds=n) for n in range(-3, 3)],
    "uuid": [UUID(int=n << 100).bytes for n in (0, 1, 2**15, 2**26, 2**27, 2**27 + 1)],
    "binary": [b"", b"\x00", b"\xff" * 20, b"\xff" * 21, b"a", b"\x80"],
    "boolean": [True, False],
    "int32": [-(2**31), -1, 0, 1, 7, 2**31 - 1],
}


@pytest.mark.parametrize("name", KEYS)
def test_no_file_with_a_key_of_the_run_is_passed_over(kind, name):
    """One file a key, so that bounds rule out all but one, whatever the type and however bounds are cut."""
    values = KEYS[name]
    table = Lake(kind, {"id": name.rstrip("?"), "v": "int64"}, merge=Merge(key=("id",)), file_size_bytes=1)
    for value in values:
        table.put([{"id": value, "v": 0}])
    done = table.put([{"id": value, "v": 1} for value in values[1:]])
    assert done.replaced_rows == len(values) - 1
    assert sorted(r["v"] for r in table.rows()) == [0] + [1] * (len(values) - 1)


def test_a_bucket_that_no_key_falls_into_is_not_opened():
    table = Lake(iceberg, partitioning=(Partition(column="id", transform="bucket[8]"),))
    table.put([row(n) for n in range(100)])
    done = table.put([row(42, 1, "new")])
    assert 0 < done.replaced_rows < 30
    assert len(table.rows()) == 100
