"""Maintenance of an Iceberg table: compaction, expiry, branches, orphans; beside runs that go on."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

from dativo_dagster.config.job import Evolution, Merge, Partition
from dativo_dagster.tables.iceberg import Config, Table
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.protocols import Maintained
from tests.fakes.deletes import delete_positions
from tests.fakes.flaky import Flaky
from tests.fakes.lake import KEY, ROWS, ids, put, spec, stage, token

DAYS = (Partition(column="day", transform="day"),)


@pytest.fixture(autouse=True)
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    return tmp_path / "lake"


def open_table(a_spec=None):
    return Table(Config(), a_spec or spec())


def later():
    return datetime.now(timezone.utc) + timedelta(hours=1)


def row(n, **more):
    return {"id": n, "name": f"n{n}", "day": date(2026, 1, 1 + n % 3), **more}


def fill(count, a_spec=None, first=0):
    for n in range(first, first + count):
        put(open_table(a_spec), a_spec or spec(), [row(n)], token(f"{n:x}"[-1]), cursor=n)


def files(a_spec=None):
    return [task.file for task in open_table(a_spec)._load().scan().plan_files()]


def test_a_table_can_be_maintained():
    assert isinstance(open_table(), Maintained)


def test_small_files_become_one_and_nothing_else_changes():
    fill(5)
    before, state = ids(open_table()), open_table().state(KEY)

    done = open_table().compact()

    assert (done.action, len(done.names), done.made) == ("compact", 5, 1)
    assert ids(open_table()) == before
    assert open_table().state(KEY) == state
    assert [f.record_count for f in files()] == [5]
    summary = open_table()._load().current_snapshot().summary
    assert (summary.operation.value, summary["total-records"], summary["total-data-files"]) == ("replace", "5", "1")
    assert all(not open_table().commit(stage(open_table(), spec(), [row(n)], token(f"{n:x}"))).fresh for n in range(5))
    assert ids(open_table()) == before
    assert open_table().compact().names == ()


def test_a_compacted_file_has_field_ids_and_bounds():
    fill(3)
    open_table().compact()
    (file,) = files()
    assert dict(file.value_counts) == {1: 3, 2: 3, 3: 3}
    assert (file.lower_bounds[1], file.upper_bounds[1]) == ((0).to_bytes(8, "little"), (2).to_bytes(8, "little"))
    assert open_table()._load().scan(row_filter="id = 2").to_arrow().num_rows == 1


def test_partitions_are_compacted_each_for_itself():
    parted = spec(partitioning=DAYS)
    fill(6, parted)
    open_table(parted).compact()
    assert sorted(f.record_count for f in files(parted)) == [2, 2, 2]
    assert ids(open_table(parted)) == [0, 1, 2, 3, 4, 5]
    over = spec(partitioning=DAYS, mode="overwrite_partitions")
    put(open_table(over), over, [row(30)], token("f"))
    assert ids(open_table(over)) == [1, 2, 4, 5, 30]


def test_files_of_an_older_schema_are_read_as_today():
    fill(2)
    wide = spec(
        {"id": "int64!", "title": "string", "day": "date", "price": "double"},
        evolution=Evolution(rename={"name": "title"}),
    )
    put(open_table(wide), wide, [{"id": 9, "title": "x", "day": None, "price": 1.5}], token("e"))
    open_table(wide).compact()
    rows = {r["id"]: (r["title"], r["price"]) for r in open_table(wide).preview(9).to_pylist()}
    assert rows == {0: ("n0", None), 1: ("n1", None), 9: ("x", 1.5)}


def test_only_as_many_files_are_packed_as_make_a_large_one():
    fill(6)
    size = max(f.file_size_in_bytes for f in files())
    open_table(spec(file_size_bytes=2 * size)).compact()
    assert sorted(f.record_count for f in files()) == [2, 2, 2]


def test_neighbours_by_key_are_packed_together_where_rows_are_merged():
    keyed = spec(mode="merge", merge=Merge(key=("id",)))
    for n, letter in [(1, "a"), (8, "b"), (2, "c"), (9, "d")]:
        put(open_table(), spec(), [row(n)], token(letter))
    size = max(f.file_size_in_bytes for f in files())
    open_table(spec(mode="merge", merge=keyed.merge, file_size_bytes=2 * size)).compact()
    found = sorted(int.from_bytes(f.lower_bounds[1], "little") for f in files())
    assert found == [1, 8]


def test_a_dry_run_changes_nothing():
    fill(3)
    table = open_table()._load()
    assert len(open_table().compact(dry_run=True).names) == 3
    assert len(open_table().expire(later(), keep=1, dry_run=True).names) == 2
    assert open_table()._load().metadata_location == table.metadata_location


def beside(monkeypatch, what):
    """Do something between a compaction's rewriting and its commit."""
    from dativo_dagster.tables.iceberg import compact

    made = compact._commit

    def late(*args):
        what()
        return made(*args)

    monkeypatch.setattr(compact, "_commit", late)


def test_a_run_that_commits_meanwhile_loses_nothing_and_neither_does_the_compaction(monkeypatch):
    fill(3)
    beside(monkeypatch, lambda: fill(1, first=7))
    assert open_table().compact().made == 1
    assert ids(open_table()) == [0, 1, 2, 7]
    assert len(files()) == 2


def test_files_that_a_run_replaced_meanwhile_stay_gone(monkeypatch, lake):
    parted = spec(partitioning=DAYS)
    fill(6, parted)
    over = spec(partitioning=DAYS, mode="overwrite_partitions")
    beside(monkeypatch, lambda: put(open_table(over), over, [row(30)], token("f")))

    assert open_table(parted).compact().made == 2

    assert ids(open_table(parted)) == [1, 2, 4, 5, 30]
    assert open_table(parted).orphans(later()) == []


def test_a_run_is_not_disturbed_by_a_compaction_between_writing_and_commit():
    fill(3)
    staged = stage(open_table(), spec(), [row(9)], token("9"))
    open_table().compact()
    assert open_table().commit(staged).fresh
    assert ids(open_table()) == [0, 1, 2, 9]


@pytest.mark.parametrize(
    ("lands", "lost"),
    [(True, TimeoutError("slow")), (False, CommitStateUnknownException("500")), (False, CommitFailedException("x"))],
)
def test_a_lost_answer_makes_no_second_compaction_and_deletes_no_file_of_the_table(lands, lost):
    fill(3)
    table = open_table()
    table._catalog = Flaky(table._catalog, [(lands, lost)])
    assert table.compact().made == 1
    assert ids(open_table()) == [0, 1, 2]
    assert len(files()) == 1


def test_old_snapshots_go_and_their_windows_are_still_known():
    fill(5)
    done = open_table().expire(later(), keep=2)
    assert len(done.names) == 3
    assert len(open_table()._load().metadata.snapshots) == 2
    assert [open_table().committed(token(f"{n:x}")).id == "expired" for n in range(5)] == [True] * 3 + [False] * 2
    assert not put(open_table(), spec(), [row(0)], token("0")).fresh
    assert ids(open_table()) == [0, 1, 2, 3, 4]
    assert open_table().state(KEY).cursor.value == {"at": 4}
    assert open_table().expire(later(), keep=2).names == ()


def test_young_snapshots_tags_and_branches_stay():
    fill(3)
    assert open_table().expire(datetime.now(timezone.utc) - timedelta(hours=1), keep=1).names == ()
    theirs = open_table()._load()
    with theirs.manage_snapshots() as manage:
        manage.create_tag(theirs.metadata.snapshots[0].snapshot_id, "audit-2025")
    assert len(open_table().expire(later(), keep=1).names) == 1
    assert open_table()._load().scan().use_ref("audit-2025").to_arrow().num_rows == 1


def test_what_an_expired_snapshot_had_alone_is_nobodys_then_and_what_is_left_can_be_read():
    whole = spec(mode="overwrite")
    put(open_table(), spec(), ROWS, token("a"))
    put(open_table(whole), whole, ROWS[:1], token("b"))
    assert open_table().orphans(later()) == []
    open_table().expire(later(), keep=1)

    found = open_table().orphans(later())

    kinds = sorted(Path(f.path).suffix for f in found)
    assert kinds == [".avro", ".avro", ".parquet"]
    open_table().remove(found)
    assert ids(open_table()) == [1]
    assert open_table().orphans(later()) == []


def test_manifests_of_a_commit_that_never_landed_are_orphans(lake):
    put(open_table(), spec(), ROWS, token("a"))
    table = open_table()
    staged = stage(table, spec(), ROWS, token("b"))
    table._catalog = Flaky(table._catalog, [(False, TimeoutError("slow"))])
    assert table.commit(staged).fresh

    found = open_table().orphans(later())

    assert [Path(f.path).suffix for f in found] == [".avro", ".avro"]
    open_table().remove(found)
    assert len(ids(open_table())) == 6


def test_left_branches_are_listed_by_age_and_dropped():
    audited = spec(audited=True)
    put(open_table(), spec(), ROWS[:1], token("0"))
    open_table(audited).commit(stage(open_table(audited), audited, ROWS, token("a")))

    assert open_table().drop_branches(datetime.now(timezone.utc) - timedelta(hours=1)).names == ()
    assert open_table().drop_branches(later(), dry_run=True).names == (f"dativo-{token('a')}",)
    assert open_table().drop_branches(later()).names == (f"dativo-{token('a')}",)

    open_table().expire(later(), keep=1)
    open_table().remove(open_table().orphans(later()))
    assert ids(open_table()) == [1]


def test_files_are_nobodys_only_where_every_branch_of_the_catalog_is_seen():
    put(open_table(), spec(), ROWS, token("a"))
    with pytest.raises(ConfigurationError) as caught:
        Table(Config(branch="dev"), spec()).orphans(later())
    assert caught.value.error_code == "ORPHANS_UNKNOWN"


def test_there_is_nothing_to_do_for_a_table_that_is_not_there():
    assert open_table().compact().reason
    assert open_table().expire(later(), keep=1).names == ()
    assert open_table().drop_branches(later()).names == ()


def test_rows_that_another_engine_deletes_during_a_compaction_stay_deleted(monkeypatch):
    put(open_table(), spec(), [row(0), row(1)], token("a"))
    put(open_table(), spec(), [row(2)], token("b"))
    table = open_table()
    load, loads = table._load, []

    def meddled():
        loads.append(1)
        if len(loads) == 2:  # it has read the files, and is about to commit
            (path,) = [f.file_path for f in files() if f.record_count == 2]
            delete_positions(load(), path, [0])
        return load()

    monkeypatch.setattr(table, "_load", meddled)
    table.compact()
    assert ids(open_table()) == [1, 2]


def test_a_roll_back_is_found_also_after_what_it_took_away_has_expired():
    fill(3)
    table = open_table()._load()
    first, second, _ = [s.snapshot_id for s in table.snapshots()]
    table.manage_snapshots().rollback_to_snapshot(first).commit()
    assert open_table().expire(later(), keep=1).names == (str(second),)
    with pytest.raises(ConfigurationError, match="rolled back"):
        open_table().state(KEY)
