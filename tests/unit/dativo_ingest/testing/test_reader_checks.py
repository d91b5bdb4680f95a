"""Every check of a reader can fail: a reader with one fault fails the check that is about it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from dativo_ingest.testing import FAULTS, READER_CHECKS, HostileReader, ReaderCase, Suite, run
from dativo_ingest.testing.hostile import STREAM, TOTAL
from dativo_ingest.testing.hostile_batches import release

# Fault, and the check that must see it.
SEEN_BY = {
    "unreachable": "answers",
    "refuses_without_code": "answers",
    "refuses_without_message": "answers",
    "check_gives_true": "answers",
    "check_raises_foreign": "answers",
    "check_raises_lower_case": "answers",
    "tells_password": "errors_coded",
    "swallows_refusal": "errors_coded",
    "stream_twice": "discovery_names",
    "column_unnamed": "discovery_names",
    "discovery_dicts": "discovery_names",
    "discovery_random": "discovery_stable",
    "split_raises_foreign": "plan_is_json",
    "plan_not_json": "plan_is_json",
    "unit_twice": "plan_is_json",
    "fingerprint_random": "fingerprint_stable",
    "cursor_ignored": "resumes",
    "new_rows_skipped": "resumes",
    "cursor_dict": "resumes",
    "unit_lost": "rows_complete",
    "no_units": "rows_complete",
    "rows_lost": "rows_complete",
    "endless": "ends",
    "empty_forever": "ends",
    "hangs": "ends",
    "rows_for_batches": "ends",
    "read_raises": "ends",
    "read_raises_foreign": "ends",
    "broken_offsets": "batches_valid",
    "column_twice": "batches_valid",
    "huge_batch": "batches_valid",
    "column_extra": "columns_promised",
    "column_missing": "columns_promised",
    "values_wrong": "values_promised",
    "rows_random": "two_reads_equal",
    "plan_forgotten": "plan_repeats",
    "reads_once": "stops",
    "slow_end": "stops",
    "memory_reused": "batches_last",
    "memory_hoarded": "memory_bounded",
    "memory_leaked": "memory_returned",
    "file_leaked": "nothing_left_open",
    "thread_leaked": "nothing_left_open",
    "process_leaked": "nothing_left_open",
    "one_at_a_time": "units_in_threads",
    "position_back": "position_counts",
    "position_text": "position_counts",
}
# What these do is for the place to survive, or no fault at all.
OTHERS = {"stdout_flooded", "aborts", "exits", "raises_exit", "segfaults", "discovery_empty", "no_cursor"}
SHORT = {"endless": 2, "hangs": 2}


@pytest.fixture
def case():
    """A case of the hostile reader with a fault, and every fact told."""

    def make(fault="", **facts):
        units = [3]

        @contextmanager
        def opened(password="right"):
            reader = HostileReader({"fault": fault, "units": units[0], "password": password})
            yield reader
            reader.close()

        def add_rows():
            units[0] += 1
            return TOTAL // 3

        told = {
            "open_reader": opened,
            "stream": STREAM,
            "rows": TOTAL,
            "broken": lambda: opened("wrong"),
            "add_rows": add_rows,
            "secrets": ("wrong",),
            "seconds": SHORT.get(fault, 30),
            "stop_seconds": 0.2 if fault == "slow_end" else 10,
            "memory_bytes": 60_000_000,
        }
        return ReaderCase(**{**told, **facts})

    yield make
    release()


def test_an_honest_reader_passes_every_check(case):
    report = run(case())
    assert {o.name: o.remark for o in report.outcomes if o.status != "passed"} == {}
    assert report.exit_code == 0


@pytest.mark.parametrize("fault", SEEN_BY)
def test_a_reader_that_fails(fault, case):
    """Only the one check and what it needs is carried out: what comes after it may fail for the same reason."""

    outcome = Suite(case(fault)).outcome(SEEN_BY[fault])
    assert outcome.status == "failed", outcome
    assert outcome.todo
    assert outcome.why


def test_every_fault_and_every_check_of_a_reader_is_in_the_table():
    assert set(SEEN_BY) | OTHERS == set(FAULTS)
    assert {c.name for c in READER_CHECKS} == set(SEEN_BY.values())


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("discovery_empty", "discovery_names"),
        ("discovery_empty", "discovery_stable"),
        ("no_cursor", "resumes"),
        ("no_units", "stops"),
        ("no_units", "plan_repeats"),
    ],
)
def test_a_check_with_nothing_to_look_at_says_so(fault, check, case):

    outcome = Suite(case(fault)).outcome(check)
    assert (outcome.status, bool(outcome.remark)) == ("not applicable", True)


@pytest.mark.parametrize(
    ("left_out", "check"), [("rows", "rows_complete"), ("broken", "errors_coded")], ids=["rows", "broken"]
)
def test_a_fact_that_was_not_told_makes_its_check_not_applicable(left_out, check, case):

    outcome = Suite(case(**{left_out: None})).outcome(check)
    assert outcome.status == "not applicable"
    assert left_out in outcome.remark


def test_a_message_that_tells_a_secret_is_masked_in_the_report(case):
    report = run(case("check_raises_foreign", secrets=("of dativo",)))
    assert "of dativo" not in report.text().replace("no error of dativo", "")


def test_the_columns_that_an_author_leaves_out_are_discovered(case):
    from dativo_ingest.model import Stream

    assert Suite(case("column_extra", stream=Stream(name="things"))).outcome("columns_promised").status == "failed"
