"""The count of rows is a check that can fail."""

from __future__ import annotations

import pytest

from dativo_dagster.checks.rows import evaluate
from dativo_ingest.model import Counts, Snapshot
from dativo_ingest.result import StreamResult


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
    (check,) = evaluate(result, None)
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
