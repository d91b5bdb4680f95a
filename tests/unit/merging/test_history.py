from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dativo_dagster.config.job import Merge, Slice
from dativo_ingest.exceptions import ConfigurationError, ValidationError
from tests.fakes.meeting import World, moment

COLUMNS = {"id": "int64", "at": "timestamptz[us]", "name": "string", "gone": "boolean"}
TIMED = Merge(key=("id",), order_by="at", deleted_column="gone")
TINY = timedelta(microseconds=1)


def world(merge=TIMED, columns=None):
    return World(columns or COLUMNS, "scd2", merge)


def row(key, at, name="", *, gone=None):
    return {"id": key, "at": moment(at), "name": name, "gone": gone}


def told(a_world):
    """Give (key, name, since, until) of each version, by minutes; what is current is held to what is said of it."""
    versions = a_world.rows()
    for version in versions:
        assert version["is_current"] == (version["valid_to"] is None)
        assert version["valid_to"] is None or version["valid_from"] < version["valid_to"]
    return sorted(((v["id"], v["name"], _minutes(v["valid_from"]), _minutes(v["valid_to"])) for v in versions), key=str)


def _minutes(at):
    return None if at is None else (at - moment(0)) / timedelta(minutes=1)


class Oracle:
    """Each key's history as a dict from moment to row, None where there is none; written anew in each run."""

    def __init__(self):
        self.versions = {}

    def run(self, rows):
        for key in {r["id"] for r in rows}:
            old = self.versions.get(key, [])
            timeline = {}
            for since, until, what in old:
                timeline[since] = what
                if until is not None and until not in [s for s, _, _ in old]:
                    timeline[until] = None
            for new in sorted((r for r in rows if r["id"] == key), key=lambda r: r["at"]):
                if new["gone"]:
                    begins = new["at"] in [since for since, _, _ in old]
                    timeline[new["at"] + TINY if begins else new["at"]] = None
                else:
                    timeline[new["at"]] = new
            self.versions[key] = self._walk(timeline)

    @staticmethod
    def _walk(timeline):
        found = []
        for at, what in sorted(timeline.items()):
            holds = found[-1][2] if found and found[-1][1] is None else None
            if what == holds:
                continue
            if found and found[-1][1] is None:
                found[-1] = (found[-1][0], at, found[-1][2])
            if what is not None:
                found.append((at, None, what))
        return found

    def told(self):
        return sorted(
            (
                (key, what["name"], _minutes(since), _minutes(until))
                for key, versions in self.versions.items()
                for since, until, what in versions
            ),
            key=str,
        )


@st.composite
def windows(draw, *, deletions=True):
    """Give runs of rows of few keys at few moments, each key and moment once in a run."""
    cell = st.tuples(st.integers(0, 3), st.integers(0, 8), st.sampled_from(["a", "b", "c"]), st.integers(0, 4))
    runs = draw(st.lists(st.lists(cell, max_size=8, unique_by=lambda c: c[:2]), min_size=1, max_size=6))
    return [
        [row(k, t, name, gone=True if deletions and kind == 0 else None) for k, t, name, kind in run] for run in runs
    ]


@given(windows(), st.randoms(use_true_random=False))
@settings(max_examples=70, deadline=None)
def test_runs_leave_the_history_that_a_dict_of_moments_would(runs, rng):
    """Late rows, corrections, deletions and returns, windows again, several files a run."""
    table, oracle = world(), Oracle()
    for run in [*runs, rng.choice(runs)]:
        oracle.run(run)
        cut = rng.randrange(len(run) + 1)
        table.run(run[:cut], run[cut:])
        assert told(table) == oracle.told()


@given(windows(deletions=False), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_windows_is_no_matter(runs, rng):
    """Each key has one row a moment at the source; windows overlap, come in any order and several times."""
    source = {(r["id"], r["at"]): r for run in runs for r in run}
    runs = [[source[r["id"], r["at"]] for r in run] for run in runs]
    once, often = world(), world()
    once.run(list(source.values()))
    mixed = [*runs, *runs]
    rng.shuffle(mixed)
    for run in mixed:
        often.run(run)
    assert told(often) == told(once)


def test_a_run_again_changes_no_file():
    table = world()
    run = [row(1, 1, "a"), row(1, 2, "b"), row(2, 1, "x"), row(2, 3, gone=True)]
    table.run(run)
    files = [file.table for file in table.files]
    table.run(run)
    assert [file.table for file in table.files] == files
    assert table.touched == 0


def test_a_correction_of_a_moment_takes_the_place_of_what_was_there():
    table = world()
    table.run([row(1, 1, "wrong"), row(1, 2, "b")])
    table.run([row(1, 1, "right")])
    assert told(table) == [(1, "b", 2, None), (1, "right", 1, 2)]


def test_a_deletion_that_says_the_moment_of_its_row_leaves_the_row_in_history():
    table = world()
    table.run([row(1, 1, "a")])
    table.run([row(1, 1, "a", gone=True)])
    table.run([row(1, 1, "a", gone=True)])
    assert [(r["valid_from"], r["valid_to"]) for r in table.rows()] == [(moment(1), moment(1) + TINY)]


def test_what_comes_back_leaves_a_gap():
    table = world()
    for rows in ([row(1, 1, "a")], [row(1, 3, gone=True)], [row(1, 5, "a")]):
        table.run(rows)
    assert told(table) == [(1, "a", 1, 3), (1, "a", 5, None)]


def test_rows_that_say_no_time_hold_since_the_run():
    table = world(Merge(key=("id",)))
    table.run([row(1, 0, "a"), row(2, 0, "x")], at=moment(10))
    table.run([row(1, 0, "b"), row(2, 0, "x")], at=moment(20))
    assert told(table) == [(1, "a", 10, 20), (1, "b", 20, None), (2, "x", 10, None)]


VERSIONED = Merge(key=("id",), order_by="v")
NUMBERED = {"id": "int64", "v": "int64", "name": "string"}


def test_a_lower_version_that_comes_late_is_no_news():
    table = world(VERSIONED, NUMBERED)
    table.run([{"id": 1, "v": 2, "name": "b"}], at=moment(10))
    table.run([{"id": 1, "v": 1, "name": "a"}], at=moment(20))
    assert told(table) == [(1, "b", 10, None)]


def test_a_higher_version_is_the_current_one_whatever_the_clocks_say():
    table = world(VERSIONED, NUMBERED)
    table.run([{"id": 1, "v": 1, "name": "a"}], at=moment(20))
    table.run([{"id": 1, "v": 3, "name": "c"}, {"id": 1, "v": 2, "name": "b"}], at=moment(10))
    current = [r for r in table.rows() if r["is_current"]]
    assert [(r["name"], r["valid_from"]) for r in current] == [("c", moment(20) + TINY)]


def test_a_date_is_a_moment_at_its_midnight():
    table = world(Merge(key=("id",), order_by="day"), {"id": "int64", "day": "date"})
    table.run([{"id": 1, "day": datetime(2026, 1, 2, tzinfo=timezone.utc).date()}])
    assert table.rows()[0]["valid_from"] == datetime(2026, 1, 2, tzinfo=timezone.utc)


def test_what_a_full_read_does_not_have_ends_at_the_time_of_the_run():
    table = world(Merge(key=("id",), order_by="at", delete_missing=True))
    table.run([row(1, 1, "a"), row(2, 1, "x"), row(3, 60, "younger")], whole=True, at=moment(61))
    table.run([row(1, 1, "a")], whole=True, at=moment(50))
    assert told(table) == [(1, "a", 1, None), (2, "x", 1, 50), (3, "younger", 60, None)]


def test_what_was_missing_and_is_there_again_as_it_was_holds_again():
    table = world(Merge(key=("id",), order_by="at", delete_missing=True))
    for at, rows in ((10, [row(1, 1, "a")]), (20, []), (30, [row(1, 1, "a")]), (40, [row(1, 1, "a")])):
        table.run(rows, whole=True, at=moment(at))
    assert told(table) == [(1, "a", 1, 20), (1, "a", 30, None)]


def test_a_slice_ends_only_what_is_missing_in_it():
    table = world(Merge(key=("id",), delete_missing=True))
    table.run([row(1, 1), row(2, 2), row(3, 3)], whole=True, at=moment(5))
    part = Slice(key="x", column="at", lower=moment(2).isoformat(), upper=moment(3).isoformat())
    table.run([], part=part, at=moment(9))
    assert [(key, until) for key, _, _, until in told(table)] == [(1, None), (2, 9), (3, None)]


def test_rows_from_before_the_table_kept_history_hold_since_ever():
    table = world()
    table.run([row(1, 1, "a"), row(2, 1, "b")])
    file = table.files[0]
    for name in ("valid_from", "is_current"):
        at = file.table.schema.get_field_index(name)
        kind = file.table.schema.field(at).type
        import pyarrow as pa

        file.table = file.table.set_column(at, name, pa.nulls(2, kind))
    table.run([row(1, 5, "c")])
    found = {(r["id"], r["name"]): (r["valid_from"], r["valid_to"], r["is_current"]) for r in table.rows()}
    assert found == {
        (1, "a"): (None, moment(5), False),
        (1, "c"): (moment(5), None, True),
        (2, "b"): (None, None, None),
    }


def test_rows_without_a_moment_are_refused_with_a_count():
    with pytest.raises(ValidationError, match="2 rows") as caught:
        world().run([{"id": n, "at": None, "name": "", "gone": None} for n in (1, 2)])
    assert caught.value.error_code == "MERGE_NULL_ORDER"


def test_differing_rows_of_one_moment_are_refused():
    with pytest.raises(ValidationError, match="1 keys") as caught:
        world().run([row(1, 1, "a"), row(1, 1, "b"), row(1, 2, "c")])
    assert caught.value.error_code == "MERGE_DUPLICATE_KEYS"


def test_a_table_that_is_no_history_is_refused():
    table = world()
    table.run([row(1, 1, "a")])
    table.files *= 2
    with pytest.raises(ConfigurationError) as caught:
        table.run([row(1, 2, "b")])
    assert caught.value.error_code == "MERGE_BAD_HISTORY"


NESTED = {"id": "int64", "x": "struct<a: list<double>, b: map<string, int64>>", "u": "uuid", "d": "decimal(38,4)"}


def test_nested_values_and_nan_are_compared_by_what_they_are():
    from decimal import Decimal

    def rows(b):
        x = {"a": [float("nan"), None, 1.0], "b": [("k", b)]}
        return [{"id": 1, "x": x, "u": bytes(16), "d": Decimal("1.5")}, {"id": 2, "x": None, "u": None, "d": None}]

    table = world(Merge(key=("id",)), NESTED)
    for at, b in ((1, 5), (2, 5), (3, 6)):
        table.run(rows(b), at=moment(at))
    assert sorted((r["id"], _minutes(r["valid_from"])) for r in table.rows()) == [(1, 1), (1, 3), (2, 1)]
