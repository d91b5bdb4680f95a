"""A real PostgreSQL as a target: the promises of every table, and those that only a server can break."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, time, timezone
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import psycopg2
import pytest

from dativo_dagster.tables.sql.pgsession import PgSession
from dativo_dagster.tables.sql.postgres import Config, Table
from dativo_ingest.exceptions import CommitError, ConfigurationError
from tests.fakes.lake import KEY, ROWS, put, spec, stage, token
from tests.unit.tables import test_common
from tests.unit.tables.test_common import (  # noqa: F401 - what every table promises, here too
    test_a_column_is_described_in_logical_types,
    test_a_column_that_becomes_required_stays_nullable_in_the_table_and_does_not_stop_the_run,
    test_a_file_is_rolled_at_the_size_that_the_job_says,
    test_a_new_column_is_added_and_null_in_earlier_rows,
    test_a_refused_change_stops_the_run_before_a_file_is_written,
    test_a_table_keeps_the_protocol,
    test_a_window_without_rows_still_moves_the_cursor,
    test_an_earlier_token_is_still_known_after_later_commits,
    test_eight_runs_of_one_window_at_once_are_one_commit,
    test_eight_writers_at_once_lose_and_repeat_no_row,
    test_files_of_a_failed_attempt_are_orphans_and_can_be_removed,
    test_overwrite_with_no_rows_empties_the_table,
    test_the_check_leaves_nothing_behind,
    test_the_same_token_twice_is_one_commit,
    test_there_is_nothing_before_the_first_commit,
    test_two_attempts_of_one_token_never_share_a_file,
)
from tests.unit.tables.test_merge import (  # noqa: F401
    lake,
    test_a_full_read_deletes_what_it_does_not_have,
    test_a_slice_makes_room_for_the_rows_of_its_run_and_no_others,
    test_an_append_and_a_merge_that_meet_leave_the_rows_of_both,
    test_history_by_the_time_of_the_run,
    test_history_is_kept_in_tables_of_both_kinds,
)
from tests.unit.tables.test_sql_merge import (  # noqa: F401
    test_a_deletion_by_a_column_that_is_not_boolean,
    test_a_row_without_order_is_below_all_others,
    test_a_slice_of_named_values_replaces_their_rows,
    test_a_version_that_ends_keeps_every_column,
    test_deletions_by_flag_take_rows_away,
    test_equal_rows_with_one_key_are_one,
    test_missing_rows_are_deleted_only_in_the_slice_of_the_run,
    test_nan_is_below_all_numbers,
    test_rows_of_which_nobody_can_say_what_they_mean_are_refused,
    test_the_last_row_by_order_counts_also_against_the_tables_own,
)
from tests.unit.tables.test_state import (  # noqa: F401
    test_a_run_after_a_change_by_hand_commits_as_ever,
    test_a_state_set_by_hand_is_there_with_its_audit_trail,
    test_a_state_that_moved_meanwhile_is_not_overwritten,
    test_a_table_that_is_not_there_has_no_state_to_change,
    test_parts_of_a_stream_are_not_each_others_rows,
    test_rows_of_other_streams_are_accounted_for,
    test_the_highest_value_of_a_column_is_exact,
    test_the_same_change_sent_twice_is_one,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def url(pg):
    return pg.create_database()


@pytest.fixture
def open_table(url, tmp_path, monkeypatch):
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "lake"))

    def opened(a_spec=None):
        return Table(Config(url=url), a_spec or spec())

    return opened


@pytest.fixture
def query(url):
    """Ask the server by a driver that shares no code with the table's."""

    def asked(sql):
        with contextlib.closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    return asked


@pytest.fixture
def kind(url):
    """Give the table as tests of merging open it."""
    return SimpleNamespace(Config=lambda: Config(url=url), Table=Table)


@pytest.mark.parametrize(
    "promise",
    [
        test_common.test_a_column_is_dropped_when_the_job_says_so,
        test_common.test_a_type_is_widened_and_both_old_and_new_rows_are_read,
        test_common.test_every_type_comes_back_as_it_went_in,
        test_common.test_overwrite_partitions_replaces_only_the_partitions_that_the_rows_are_in,
    ],
)
def test_what_only_some_tables_promise_holds_here_too(open_table, promise):
    promise(open_table)


def test_every_type_is_the_servers_own_and_exact(open_table, query):
    kinds = {
        "id": "int64!", "b": "boolean", "i8": "int8", "u16": "uint16", "u64": "uint64", "f": "float32", "x": "double",
        "d": "decimal(38,9)", "s": "string", "y": "binary", "g": "uuid", "day": "date", "t": "time[ms]",
        "ts": "timestamp[ms]", "tz": "timestamptz", "j": "json", "l": "list<decimal(10,2)>", "lg": "list<uint64>",
        "m": "map<string,int64>", "mi": "map<int64,date>",
        "st": "struct<a: decimal(20,10), b: list<binary>, x: double>",
    }  # fmt: skip
    row = {
        "id": 2**63 - 1, "b": False, "i8": -128, "u16": 65535, "u64": 2**64 - 1, "f": -1.5, "x": float("inf"),
        "d": Decimal("12345678901234567890123456789.123456789"), "s": "a\\b\t'\"😀", "y": bytes(range(256)),
        "g": UUID(int=7).bytes, "day": date(9999, 12, 31), "t": time(23, 59, 59, 999000),
        "ts": datetime(1, 1, 1, 0, 0, 0, 1000),  # noqa: DTZ001 - without a zone on purpose
        "tz": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc), "j": '{"a": [1, 2.50]}',
        "l": [Decimal("1.10"), None], "lg": [2**64 - 1, None], "m": [("k", None)], "mi": [(-1, date(2026, 1, 1))],
        "st": {"a": Decimal("0.1000000000"), "b": [b"\x00\xff", None], "x": float("-inf")},
    }  # fmt: skip
    a_spec = spec(kinds)
    empty = {**dict.fromkeys(row), "id": 1}
    put(open_table(a_spec), a_spec, [row, empty], token("a"))

    assert open_table(a_spec).preview(2).to_pylist() == [{**row, "g": UUID(int=7)}, empty]
    assert list(open_table(a_spec).changes()) == []
    (theirs,) = query("SELECT u64, d, g::text, t, ts, tz, j->'a'->>1, l, st->>'a', y FROM shop.orders WHERE id > 1")
    assert theirs[:3] == (2**64 - 1, row["d"], str(UUID(int=7)))
    assert theirs[3:8] == (row["t"], row["ts"], row["tz"], "2.50", [Decimal("1.10"), None])
    assert (theirs[8], bytes(theirs[9])) == ("0.1000000000", row["y"])
    types = dict(query("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders'"))
    assert [types[n] for n in ("g", "j", "l", "st", "tz")] == [
        "uuid", "jsonb", "ARRAY", "jsonb", "timestamp with time zone"
    ]  # fmt: skip


@pytest.mark.parametrize("kind_of_column", ["timestamp[ns]", "time[ns]", "list<timestamptz[ns]>"])
def test_a_type_that_the_server_does_not_have_is_refused_by_name(open_table, kind_of_column):
    a_spec = spec({"id": "int64!", "at": kind_of_column})
    with pytest.raises(ConfigurationError, match="'at'") as caught:
        open_table(a_spec).writer(token("a"))
    assert caught.value.error_code == "TYPE_UNSUPPORTED"


def test_a_name_that_the_server_would_cut_is_refused(open_table):
    with pytest.raises(ConfigurationError) as caught:
        open_table(spec({"id": "int64!", "ä" * 32: "string"})).writer(token("a"))
    assert caught.value.error_code == "BAD_COLUMN_NAME"


def test_names_that_sql_would_trip_over_are_kept(open_table, query):
    names = ['a"b', "select", "Ä $1", "it's"]
    a_spec = spec({"id": "int64!", **dict.fromkeys(names, "string")}, identifier='Odd "schema".or$1ders')
    put(open_table(a_spec), a_spec, [{"id": 1, **{n: n for n in names}}], token("a"), cursor=1)
    assert open_table(a_spec).preview(1).to_pylist() == [{"id": 1, **{n: n for n in names}}]
    assert open_table(a_spec).state(KEY).cursor.value == {"at": 1}
    assert query('SELECT "a""b" FROM "Odd ""schema"""."or$1ders"') == [('a"b',)]


def test_a_value_that_the_server_does_not_take_leaves_nothing_and_is_not_told(open_table, query):
    put(open_table(), spec(), ROWS, token("a"))
    with pytest.raises(CommitError) as caught:
        put(open_table(), spec(), [{**ROWS[0], "name": "secret\0"}], token("b"))
    assert caught.value.error_code == "WRITE_FAILED"
    assert "secret" not in caught.value.message
    assert query("SELECT count(*) FROM shop.orders") == [(3,)]
    assert open_table().committed(token("b")) is None


def test_readers_see_the_old_rows_until_an_overwrite_commits(open_table, query, url):
    put(open_table(), spec(), ROWS, token("a"))
    over = spec(mode="overwrite")
    staged = stage(open_table(over), over, ROWS[:1], token("b"))
    with contextlib.closing(psycopg2.connect(url.replace("+psycopg2", ""))) as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        cursor = reader.cursor()
        cursor.execute("SELECT count(*) FROM shop.orders")
        before = cursor.fetchall()
        open_table(over).commit(staged)  # waits for no reader
        cursor.execute("SELECT count(*) FROM shop.orders")
        assert cursor.fetchall() == before == [(3,)]
    assert query("SELECT count(*) FROM shop.orders") == [(1,)]


@pytest.mark.parametrize("landed", [True, False])
def test_a_commit_whose_answer_was_lost_is_made_once(open_table, query, monkeypatch, landed):
    put(open_table(), spec(), ROWS, token("a"))
    staged = stage(open_table(), spec(), [{**ROWS[0], "id": 9}], token("b"))
    execute, lost = PgSession.execute, []

    def dying(session, sql, parameters=()):
        if sql != "COMMIT" or lost:
            return execute(session, sql, parameters)
        lost.append(sql)
        (pid,) = session.rows("SELECT pg_backend_pid()")[0]
        if landed:
            execute(session, sql)
        query(f"SELECT pg_terminate_backend({pid})")
        return execute(session, "SELECT 1")  # the line is dead: the server's answer never comes

    monkeypatch.setattr(PgSession, "execute", dying)
    assert open_table().commit(staged).fresh
    assert lost
    assert query("SELECT id FROM shop.orders ORDER BY id") == [(1,), (2,), (3,), (9,)]


def test_a_run_waits_for_somebody_who_changes_the_table_and_tries_again(url, open_table, query):
    put(open_table(), spec(), ROWS, token("a"))
    over = spec(mode="overwrite")
    patient = Table(Config(url=url, lock_timeout=0.2), over)
    staged = stage(patient, over, ROWS[:1], token("b"))
    with contextlib.closing(psycopg2.connect(url.replace("+psycopg2", ""))) as other:
        other.cursor().execute("INSERT INTO shop.orders (id) VALUES (77)")
        with pytest.raises(CommitError) as caught, patient.dialect.open() as session, session.transaction():
            session.lock(patient.name, alone=True)
        assert (caught.value.error_code, caught.value.retryable) == ("COMMIT_CONFLICT", True)
        other.commit()
    patient.commit(staged)
    assert query("SELECT id FROM shop.orders") == [(1,)]


def test_a_table_that_somebody_else_made_is_written_to_as_it_is(open_table, query):
    query("CREATE SCHEMA shop")
    query("CREATE TABLE shop.orders (id bigint PRIMARY KEY, name varchar(5), day date)")
    assert list(open_table().changes()) == []
    put(open_table(), spec(), ROWS, token("a"))
    assert query("SELECT id, name FROM shop.orders ORDER BY id") == [(1, "Ä"), (2, None), (3, "c")]
    with pytest.raises(CommitError) as caught:
        put(open_table(), spec(), [{**ROWS[0], "id": 4, "name": "too long"}], token("b"))
    assert caught.value.error_code == "WRITE_FAILED"


def test_what_the_user_may_not_do_is_told_by_the_check(url, query):
    query("CREATE ROLE reader LOGIN")
    query("CREATE SCHEMA shop")
    result = Table(Config(url=url, user="reader"), spec()).check()
    assert (result.passed, result.code) == (False, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"port": 1}, "CONNECTION_FAILED"),
        ({"database": "nowhere"}, "DATABASE_NOT_FOUND"),
        ({"user": "nobody"}, "AUTHENTICATION_FAILED"),
    ],
)
def test_what_cannot_be_reached_is_told_apart(pg, options, code):
    config = {"connection": {"host": "127.0.0.1", "port": pg.port, "database": "postgres"}, "user": "postgres"}
    result = Table(Config.model_validate({**config, **options}), spec()).check()
    assert (result.passed, result.code) == (False, code)


def test_rejected_rows_have_a_place_beside_the_staged_ones(open_table):
    assert open_table().location().startswith("file:///")
    assert open_table().location().endswith("/shop/orders")
