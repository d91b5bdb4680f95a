"""What a table remembers, what people do to it, and what it says of rows that nobody remembers."""

import json
from datetime import date, datetime, timezone
from decimal import Decimal

import duckdb as duckdb_driver
import pytest

from dativo_dagster.tables import delta, files, iceberg
from dativo_dagster.tables import plugin as plugin_table
from dativo_dagster.tables.sql import duckdb
from dativo_ingest.exceptions import CommitError, ConfigurationError
from dativo_ingest.model import BY_HAND, Cursor, State, StateChange
from tests.fakes.lake import KEY, ROWS, put, spec, stage, token

NAIVE = datetime(2026, 1, 1, 12, 0, 0, 1)  # noqa: DTZ001 - a column without a time zone


@pytest.fixture(params=["iceberg", "files", "duckdb", "delta"])
def open_table(request, tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
    kind = {"iceberg": iceberg, "files": files, "duckdb": duckdb, "delta": delta}[request.param]

    def opened(a_spec=None):
        return kind.Table(kind.Config(), a_spec or spec())

    return opened


def by_hand(before, cursor=None, key=KEY, number=1):
    return StateChange(
        key=key,
        action="set" if cursor else "reset",
        at="2026-01-05T00:00:00+00:00",
        by="ana@desk",
        reason=f"reason {number}",
        before=before,
        after=State(token=f"{BY_HAND}{number}", cursor=Cursor(value={"at": cursor}) if cursor else None),
    )


def test_a_state_set_by_hand_is_there_with_its_audit_trail(open_table):
    table = open_table()
    put(table, spec(), ROWS, token("a"), cursor="2026-01-01")
    first = by_hand(table.state(KEY), "2025-12-01")
    table.set_state(first)
    second = by_hand(first.after, number=2)
    table.set_state(second)

    other = open_table()
    assert other.state(KEY) == second.after
    assert other.states() == {KEY: second.after}
    assert list(other.state_changes(KEY)) == [first, second]
    assert list(other.state_changes("acme.shop.lines")) == []
    assert other.committed(token("a")) is not None
    assert sum(b.num_rows for b in other.scan()) == 3


def test_a_state_that_moved_meanwhile_is_not_overwritten(open_table):
    table = open_table()
    put(table, spec(), ROWS, token("a"), cursor="2026-01-01")
    seen = table.state(KEY)
    put(table, spec(), ROWS, token("b"), cursor="2026-01-02")

    with pytest.raises(CommitError, match="not what it was when you looked") as caught:
        table.set_state(by_hand(seen, "2025-12-01"))
    assert caught.value.error_code == "STATE_MOVED"
    assert table.state(KEY).cursor.value == {"at": "2026-01-02"}
    assert list(table.state_changes(KEY)) == []


def test_the_same_change_sent_twice_is_one(open_table):
    table = open_table()
    put(table, spec(), ROWS, token("a"), cursor="2026-01-01")
    change = by_hand(table.state(KEY), "2025-12-01")
    table.set_state(change)
    table.set_state(change)
    assert list(table.state_changes(KEY)) == [change]


def test_the_audit_trail_keeps_the_last_twenty(open_table):
    table = open_table()
    put(table, spec(), ROWS, token("a"))
    state = table.state(KEY)
    for number in range(22):
        change = by_hand(state, number=number)
        table.set_state(change)
        state = change.after
    assert [c.reason for c in table.state_changes(KEY)] == [f"reason {n}" for n in range(2, 22)]


def test_a_table_that_is_not_there_has_no_state_to_change(open_table):
    with pytest.raises(ConfigurationError) as caught:
        open_table().set_state(by_hand(None))
    assert caught.value.error_code == "NO_TABLE"


def test_a_run_after_a_change_by_hand_commits_as_ever(open_table):
    table = open_table()
    put(table, spec(), ROWS, token("a"), cursor="2026-01-01")
    table.set_state(by_hand(table.state(KEY)))
    put(table, spec(), ROWS, token("b"), cursor="2026-01-02")
    assert table.state(KEY).token == token("b")
    assert len(table.state_changes(KEY)) == 1


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (KEY, 3),
        (f"{KEY}@2026-01", 3),
        ("acme.shop.lines", 0),
        ("acme.shop.lines@2026-01", 0),
    ],
)
def test_rows_of_other_streams_are_accounted_for(open_table, key, rows):
    table = open_table()
    assert table.unaccounted(key) == 0
    put(table, spec(), ROWS, token("a"))
    assert table.unaccounted(key) == rows


def test_parts_of_a_stream_are_not_each_others_rows(open_table):
    table = open_table()
    staged = stage(table, spec(), ROWS, token("a"))
    table.commit(type(staged).from_json({**staged.to_json(), "key": f"{KEY}@2026-01"}))
    assert table.unaccounted(f"{KEY}@2026-02") == 0
    assert table.unaccounted(f"{KEY}@2026-01") == 3
    assert table.unaccounted(KEY) == 3


def test_a_table_without_rows_has_none_to_account_for(open_table):
    table = open_table()
    put(table, spec(), [], token("a"), cursor="2026-01-01")
    assert table.unaccounted(KEY) == 0


@pytest.mark.parametrize(
    ("kind", "values", "highest"),
    [
        ("int64", [3, None, 12, 7], 12),
        ("string", ["b" * 40, "b" * 39 + "c", None], "b" * 39 + "c"),
        ("date", [date(2026, 1, 2), date(2025, 1, 1)], date(2026, 1, 2)),
        ("decimal(12,2)", [Decimal("-1.50"), Decimal("10.25")], Decimal("10.25")),
        (
            "timestamptz[us]",
            [datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)],
            datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=timezone.utc),
        ),
        ("timestamp[us]", [NAIVE], NAIVE),
        ("float64", [1.5, -2.5, None], 1.5),
        ("int64", [None], None),
    ],
)
def test_the_highest_value_of_a_column_is_exact(open_table, kind, values, highest):
    a_spec = spec({"id": kind})
    table = open_table(a_spec)
    assert table.highest("id") is None
    for at, value in enumerate(values):
        put(table, a_spec, [{"id": value}], f"{at}" * 24)
    assert table.highest("id") == highest
    assert table.highest("nothing") is None


def corrupt(table, tmp_path):
    """Write nonsense where the state of `KEY` is."""
    if isinstance(table, iceberg.Table):
        table._load().transaction().set_properties({f"dativo.state.{KEY}": "{half"}).commit_transaction()
        return
    if isinstance(table, duckdb.Table):
        with duckdb_driver.connect(str(tmp_path / "lake" / "warehouse.duckdb")) as connection:
            connection.execute("UPDATE shop._dativo_state SET state = '{half'")
        return
    if isinstance(table, delta.Table):
        (memory,) = (tmp_path / "lake").rglob("_dativo/state/*/*.json")
        memory.write_text(json.dumps({**json.loads(memory.read_text()), "state": {"cursor": 7}}))
        return
    (manifest,) = tmp_path.rglob("manifest.json")
    head = json.loads(manifest.read_text())
    head["state"][KEY] = {"cursor": 7}
    manifest.write_text(json.dumps(head))


def test_a_corrupt_state_is_an_error_until_a_person_mends_it(open_table, tmp_path):
    table = open_table()
    put(table, spec(), ROWS, token("a"), cursor="2026-01-01")
    corrupt(table, tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        table.state(KEY)
    assert caught.value.error_code == "STATE_CORRUPT"

    table.set_state(by_hand(table.states()[KEY], "2026-01-01"))
    assert table.state(KEY).cursor.value == {"at": "2026-01-01"}


class TestIceberg:
    @pytest.fixture
    def table(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))
        return iceberg.Table(iceberg.Config(), spec())

    def test_a_state_by_hand_is_not_taken_for_a_rollback(self, table):
        first = put(table, spec(), ROWS, token("a"), cursor="2026-01-01")
        put(table, spec(), ROWS, token("b"), cursor="2026-01-02")
        table._load().manage_snapshots().set_current_snapshot(int(first.id)).commit()
        with pytest.raises(ConfigurationError) as caught:
            table.state(KEY)
        assert caught.value.error_code == "TABLE_ROLLED_BACK"

        change = by_hand(table.states()[KEY], "2026-01-01")
        table.set_state(change)
        assert table.state(KEY) == change.after

    def test_rows_that_somebody_else_wrote_may_be_anybodys(self, table):
        put(table, spec(), [], token("a"))
        written = table._load()
        written.append(spec_rows(written))
        assert table.unaccounted("acme.shop.lines") == 3

    def test_no_snapshot_is_made_by_a_change_by_hand(self, table):
        put(table, spec(), ROWS, token("a"))
        before = table._load().metadata.snapshots
        table.set_state(by_hand(table.state(KEY)))
        assert table._load().metadata.snapshots == before


def spec_rows(table):
    import pyarrow as pa

    return pa.Table.from_pylist(ROWS, schema=table.schema().as_arrow())


class TestPlugin:
    @pytest.fixture
    def table(self, tmp_path):
        return plugin_table.Table(plugin_table.Config(path=str(tmp_path)), spec(plugin=lambda: None))

    def test_the_ledger_keeps_states_and_their_audit_trail(self, table):
        with pytest.raises(CommitError, match="STATE_MOVED"):
            table.set_state(by_hand(State(token=token("x"))))
        change = by_hand(None, "2026-01-01")
        table.set_state(change)
        assert table.state(KEY) == change.after
        assert table.states() == {KEY: change.after}
        assert list(table.state_changes(KEY)) == [change]

    def test_the_ledger_knows_whose_rows_were_committed(self, table, tmp_path):
        ledger = plugin_table.Ledger(rows=5, rows_of={KEY: 5})
        (tmp_path / "_dativo").mkdir()
        (tmp_path / "_dativo" / "ledger.json").write_text(ledger.dumps())
        assert table.unaccounted(KEY) == 5
        assert table.unaccounted("acme.shop.lines") == 0
