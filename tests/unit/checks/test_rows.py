"""The count of rows is a check that can fail."""

from __future__ import annotations

import pytest

from dativo_dagster.checks.rows import evaluate
from dativo_dagster.config.contract import Contract
from dativo_dagster.config.job import JobStream, Source, Target
from dativo_ingest.model import Counts, Snapshot
from dativo_ingest.result import StreamResult


def _stream(**bounds):
    contract = Contract(name="c", fields=(), **bounds)
    return JobStream(name="s", source=Source(connector="csv"), target=Target(connector="iceberg"), contract=contract)


def _outcome(*, rows, status="committed", **counts):
    result = StreamResult(
        job="j",
        tenant="t",
        stream="s",
        table="a.b",
        status=status,
        counts=Counts(**counts),
        snapshot=Snapshot(id="1", table="a.b", token="x", rows=rows),
    )
    (check,) = evaluate(result, _stream())
    return check


def test_it_passes_when_what_was_read_is_what_was_written_and_what_was_rejected():
    check = _outcome(rows=7, read=10, written=7, rejected=3)
    assert check.passed
    assert check.message == "10 read = 7 written + 3 rejected, 7 in the snapshot"


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        pytest.param(7, {"read": 10, "written": 7, "rejected": 2}, id="a row went nowhere"),
        pytest.param(7, {"read": 10, "written": 8, "rejected": 3}, id="a row was written that was not read"),
        pytest.param(6, {"read": 10, "written": 7, "rejected": 3}, id="the snapshot has fewer rows than were written"),
    ],
)
def test_it_fails_when(rows, counts):
    assert not _outcome(rows=rows, **counts).passed


def test_a_run_that_found_its_commit_in_place_is_not_held_against_that_commit():
    assert _outcome(rows=7, status="already_committed").passed


@pytest.mark.parametrize(("mode", "partition"), [("merge", None), ("scd2", None), ("overwrite", "2024-01-01")])
def test_a_commit_that_writes_rows_again_is_held_against_what_was_read_alone(mode, partition):
    snapshot = Snapshot(id="1", table="a.b", token="x", rows=70, replaced_rows=65)
    told = {"job": "j", "tenant": "t", "stream": "s", "table": "a.b", "status": "committed", "snapshot": snapshot}
    counted = StreamResult(**told, mode=mode, partition=partition, counts=Counts(read=10, written=7, rejected=3))
    (check,) = evaluate(counted, _stream())
    assert check.passed
    assert check.message.endswith("the snapshot put 70 rows in place of 65")
    lost = StreamResult(**told, mode=mode, partition=partition, counts=Counts(read=10, written=7, rejected=2))
    assert not evaluate(lost, _stream())[0].passed


@pytest.mark.parametrize(
    ("rows", "passed"),
    [pytest.param(1, False, id="too few"), (2, True), (5, True), pytest.param(6, False, id="too many")],
)
def test_the_contract_may_bound_the_rows_of_a_run(rows, passed):
    result = StreamResult(job="j", tenant="t", stream="s", table="a", status="committed", counts=Counts(read=rows))
    _, bounded = evaluate(result, _stream(minimum_rows=2, maximum_rows=5))
    assert (bounded.name, bounded.passed) == ("row_bounds", passed)
    assert bounded.message == f"{rows} rows, and the contract says at least 2 and at most 5"


def test_a_run_that_found_nothing_new_is_not_held_against_the_bounds():
    result = StreamResult(job="j", tenant="t", stream="s", table="a", status="nothing_new")
    assert evaluate(result, _stream(minimum_rows=2))[1].passed


def test_rows_of_a_commit_that_had_landed_before_are_held_against_the_bounds():
    """A step that is run again after its answer was lost has rows all the same."""
    result = StreamResult(
        job="j", tenant="t", stream="s", table="a", status="already_committed", counts=Counts(read=1, written=1)
    )
    assert not evaluate(result, _stream(minimum_rows=2))[1].passed
