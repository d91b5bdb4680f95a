import random
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dativo_dagster.config.job import Merge, Slice
from dativo_ingest.exceptions import ConfigurationError, ValidationError
from tests.fakes.meeting import World

COLUMNS = {"id": "int64", "shop": "string", "v": "int64", "name": "string", "gone": "boolean"}
LAST = Merge(key=("id",), order_by="v")


def world(merge=LAST, columns=None):
    return World(columns or COLUMNS, "merge", merge)


def row(key, v=0, name="", *, shop="a", gone=None):
    return {"id": key, "shop": shop, "v": v, "name": name, "gone": gone}


def told(a_world):
    return sorted((r["id"], r["shop"], r["v"], r["name"]) for r in a_world.rows())


class Oracle:
    """The table as a dict by key; what loses against a higher row changes nothing."""

    def __init__(self):
        self.rows = {}

    def run(self, rows):
        for new in sorted(rows, key=lambda r: r["v"]):
            key = (new["id"], new["shop"])
            if key in self.rows and self.rows[key]["v"] > new["v"]:
                continue
            self.rows.pop(key, None)
            if not new["gone"]:
                self.rows[key] = new


@st.composite
def windows(draw):
    """Give runs whose rows never tie: each has a version of its own."""
    rng = draw(st.randoms(use_true_random=False))
    runs = draw(
        st.lists(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 9)), max_size=12), max_size=6)
    )
    number = list(range(sum(map(len, runs))))
    rng.shuffle(number)
    return [
        [row(key, number.pop(), f"n{len(number)}", shop="a" if a else "b", gone=kind == 0) for key, a, kind in run]
        for run in runs
    ]


@given(windows(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_runs_in_any_order_leave_what_a_dict_by_key_would(runs, rng):
    """Composite keys, versions out of order, deletions, runs repeated, several files a run."""
    merge = Merge(key=("id", "shop"), order_by="v", deleted_column="gone")
    table, oracle = world(merge), Oracle()
    for run in [*runs, *rng.sample(runs, min(len(runs), 2))]:
        oracle.run(run)
        cut = rng.randrange(len(run) + 1)
        table.run(run[:cut], run[cut:])
        assert told(table) == sorted((r["id"], r["shop"], r["v"], r["name"]) for r in oracle.rows.values())


KEYS = {
    "int32": [1, -5, 7],
    "int64": [1, 2**62, -(2**62)],
    "string": ["", "ä", "a"],
    "date": [date(1, 1, 1), date(9999, 12, 31), date(2026, 1, 1)],
    "decimal(38,2)": [Decimal("1.10"), Decimal("-1.10"), Decimal("9" * 30)],
    "uuid": [UUID(int=1).bytes, UUID(int=2**127).bytes, UUID(int=0).bytes],
    "binary": [b"", b"\xff", b"a"],
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_may_be_of_any_type_that_tells_things_apart(kind):
    one, two, three = KEYS[kind]
    table = world(Merge(key=("id",)), {"id": kind, "v": "int64"})
    table.run([{"id": one, "v": 1}, {"id": two, "v": 1}])
    table.run([{"id": two, "v": 2}, {"id": three, "v": 2}])
    found = {r["id"].bytes if isinstance(r["id"], UUID) else r["id"]: r["v"] for r in table.rows()}
    assert found == {one: 1, two: 2, three: 2}


def test_composite_keys_are_equal_only_as_a_whole():
    table = world(Merge(key=("id", "shop", "v")))
    table.run([row(1, 1, "a", shop="x"), row(1, 2, "b", shop="x"), row(2, 1, "c", shop="y")])
    table.run([row(1, 1, "new", shop="y"), row(2, 1, "new", shop="y")])
    assert told(table) == [(1, "x", 1, "a"), (1, "x", 2, "b"), (1, "y", 1, "new"), (2, "y", 1, "new")]


def test_null_in_a_key_is_refused_with_a_count_and_no_value():
    with pytest.raises(ValidationError, match="'id' in 2 rows") as caught:
        world().run([row(None, 1), row(None, 2), row(3, 4)])
    assert caught.value.error_code == "MERGE_NULL_KEY"


def test_several_rows_of_a_key_without_an_order_are_refused_with_a_count_and_no_value():
    with pytest.raises(ValidationError, match="2 keys") as caught:
        world(Merge(key=("id",))).run([row(11, 1, "p"), row(11, 2, "q"), row(12, 1), row(12, 2)], [row(13)])
    assert caught.value.error_code == "MERGE_DUPLICATE_KEYS"
    assert "11" not in caught.value.message


def test_rows_with_one_key_and_one_order_are_refused_when_they_differ_and_count():
    with pytest.raises(ValidationError, match="1 keys"):
        world().run([row(1, 5, "p")], [row(1, 5, "q")])


def test_ties_of_rows_that_do_not_count_are_no_matter():
    table = world()
    table.run([row(1, 5, "p"), row(1, 5, "q"), row(1, 6, "r")])
    assert told(table) == [(1, "a", 6, "r")]


def test_identical_rows_are_one():
    table = world()
    table.run([row(1, 5, None)], [row(1, 5, None), row(1, 5, None)])
    assert len(table.rows()) == 1


def test_no_order_is_below_every_order():
    table = world()
    table.run([row(1, 5, "has"), row(2, None, "first")])
    table.run([row(1, None, "none"), row(2, None, "second"), row(3, None, "n"), row(3, -9, "least")])
    assert sorted((r["id"], r["name"]) for r in table.rows()) == [(1, "has"), (2, "second"), (3, "least")]


def test_a_deletion_may_be_any_value_that_is_not_null():
    table = world(Merge(key=("id",), deleted_column="name"))
    table.run([row(1, name=None), row(2, name=None)])
    table.run([row(1, name="2026-01-01"), row(3, name="never seen")])
    assert [r["id"] for r in table.rows()] == [2]


def test_what_a_full_read_does_not_have_is_deleted():
    table = world(Merge(key=("id",), delete_missing=True))
    table.run([row(1), row(2), row(3)], whole=True)
    table.run([row(2, name="new")], whole=True)
    assert told(table) == [(2, "a", 0, "new")]


def test_a_full_read_of_nothing_deletes_all():
    table = world(Merge(key=("id",), delete_missing=True))
    table.run([row(1)], whole=True)
    table.run(whole=True)
    assert table.rows() == []


@pytest.mark.parametrize("merge", [LAST, Merge(key=("id",), delete_missing=True)], ids=["in order", "full read"])
def test_rows_that_come_again_as_they_are_change_no_file(merge):
    table = world(merge)
    for first in (0, 5):
        table.run([row(n, 1, "same") for n in range(first, first + 5)], whole=first == 0)
        table.merge = LAST if merge is LAST else Merge(key=("id",))
    table.merge = merge
    before = [file.table for file in table.files]
    table.run([row(n, 1, "same") for n in range(10)], whole=True)
    assert [file.table for file in table.files] == before
    table.run([row(n, 1, "same" if n != 7 else "new") for n in range(10)], whole=True)
    after = [file.table for file in table.files]
    assert [any(one.equals(other) for other in after) for one in before] == [True, False]
    assert len(told(table)) == 10


def test_a_run_about_a_slice_deletes_only_what_is_missing_in_the_slice():
    table = world(Merge(key=("id",), delete_missing=True), {"id": "int64", "day": "date"})
    table.run([{"id": n, "day": date(2026, 1, n)} for n in range(1, 6)] + [{"id": 9, "day": None}], whole=True)
    part = Slice(key="x", column="day", lower="2026-01-02T00:00:00+00:00", upper="2026-01-04T00:00:00+00:00")
    table.run([{"id": 3, "day": date(2026, 1, 3)}], part=part)
    assert sorted(r["id"] for r in table.rows()) == [1, 3, 4, 5, 9]


def test_a_run_that_did_not_read_everything_deletes_nothing_by_absence():
    with pytest.raises(ConfigurationError) as caught:
        world(Merge(key=("id",), delete_missing=True)).run([row(1)])
    assert caught.value.error_code == "MERGE_NOT_WHOLE"


def test_rejected_rows_are_not_taken_for_deleted():
    with pytest.raises(ValidationError) as caught:
        world(Merge(key=("id",), delete_missing=True)).run([row(1)], whole=True, rejected=1)
    assert caught.value.error_code == "MERGE_REJECTED_ROWS"


def test_several_rows_of_the_table_with_one_key_become_one():
    """Rows that an append doubled before the job merged."""
    table = world(Merge(key=("id",)))
    table.files = [*(f for _ in range(2) for f in _files([row(1, 1, "x"), row(2, 1, "y")]))]
    table.run([row(1, 2, "new")])
    assert told(table) == [(1, "a", 2, "new"), (2, "a", 1, "y"), (2, "a", 1, "y")]


def _files(rows):
    other = world(Merge(key=("id",)))
    other.run(rows)
    return other.files


def test_wide_rows_are_compared_in_every_column():
    columns = {"id": "int64", **{f"c{n}": "int64" for n in range(500)}}
    rows = [{"id": 1, **{f"c{n}": n for n in range(500)}} for _ in range(2)]
    table = world(Merge(key=("id",)), columns)
    table.run(rows)
    assert len(table.rows()) == 1
    rows[1][f"c{random.randrange(500)}"] = -1
    with pytest.raises(ValidationError):
        table.run(rows)
