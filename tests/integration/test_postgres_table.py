"""A real PostgreSQL as a target: the promises of every table, and those that only a server can break."""

from __future__ import annotations

import contextlib

import psycopg2
import pytest

from dativo_dagster.tables.sql.postgres import Config, Table
from tests.fakes.lake import spec
from tests.unit.tables.test_common import (  # noqa: F401 - what every table promises, here too
    test_a_column_is_described_in_logical_types,
    test_a_column_is_dropped_when_the_job_says_so,
    test_a_column_that_becomes_required_stays_nullable_in_the_table_and_does_not_stop_the_run,
    test_a_file_is_rolled_at_the_size_that_the_job_says,
    test_a_new_column_is_added_and_null_in_earlier_rows,
    test_a_refused_change_stops_the_run_before_a_file_is_written,
    test_a_table_keeps_the_protocol,
    test_a_type_is_widened_and_both_old_and_new_rows_are_read,
    test_a_window_without_rows_still_moves_the_cursor,
    test_an_earlier_token_is_still_known_after_later_commits,
    test_eight_runs_of_one_window_at_once_are_one_commit,
    test_eight_writers_at_once_lose_and_repeat_no_row,
    test_every_type_comes_back_as_it_went_in,
    test_files_of_a_failed_attempt_are_orphans_and_can_be_removed,
    test_overwrite_partitions_replaces_only_the_partitions_that_the_rows_are_in,
    test_overwrite_with_no_rows_empties_the_table,
    test_the_check_leaves_nothing_behind,
    test_the_same_token_twice_is_one_commit,
    test_there_is_nothing_before_the_first_commit,
    test_two_attempts_of_one_token_never_share_a_file,
)
from tests.unit.tables.test_state import (  # noqa: F401
    test_a_run_after_a_change_by_hand_commits_as_ever,
    test_a_state_set_by_hand_is_there_with_its_audit_trail,
    test_a_state_that_moved_meanwhile_is_not_overwritten,
    test_a_table_that_is_not_there_has_no_state_to_change,
    test_parts_of_a_stream_are_not_each_others_rows,
    test_rows_of_other_streams_are_accounted_for,
    test_the_audit_trail_keeps_the_last_twenty,
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
