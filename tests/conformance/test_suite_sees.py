"""The suite sees through a place: a reader's fault fails a check there, too, or the place makes it good."""

from __future__ import annotations

import uuid

import pytest

from dativo_ingest.testing import hostile, reader_case
from tests.conformance.faults import CURED, SEEN, SUITE, is_reason
from tests.conformance.places import GROUPS, where
from tests.conformance.shared import Shared, sharing
from tests.unit.dativo_ingest.testing.test_reader_checks import SEEN_BY

BY_ANOTHER = {("plan_forgotten", "gcp_functions"): "rows_complete"}
"""There each read is by an instance that planned nothing."""
NO_END = {"endless", "hangs", "empty_forever"}
SOON = {"docker": {"timeout_seconds": 3, "idle_seconds": 2}, "gcp_functions": {"timeout_seconds": 5}}


@pytest.fixture(scope="module")
def suite_folder():
    """Name a prefix in a bucket."""
    return f"seen-{uuid.uuid4().hex[:12]}"


def outcome(fault, place, request):
    """Ask for the one check that is about a fault."""
    source = {"fault": fault, "password": "right", "units": 3}

    def add_rows():
        source["units"] += 1
        return hostile.TOTAL // 3

    case = reader_case(
        f"{hostile.__file__}:HostileReader",
        source,
        hostile.STREAM,
        broken={"password": "wrong"},
        rows=hostile.TOTAL,
        add_rows=add_rows,
        secrets=("wrong",),
        stop_seconds=0.2 if fault == "slow_end" else 5.0,
        place={**where(place, request).at(), **(SOON[place] if fault in NO_END else {})},
    )
    shared = Shared(case.open_reader)
    try:
        return sharing(case, shared, None).outcome(BY_ANOTHER.get((fault, place), SEEN_BY[fault]))
    finally:
        shared.close()


def _parameters():
    for place in ("docker", "gcp_functions"):
        marks = [pytest.mark.integration, pytest.mark.xdist_group(GROUPS[place])]
        marks += [pytest.mark.docker] if place == "docker" else []
        for fault, row in SUITE.items():
            if not is_reason(expected := getattr(row, place)):
                yield pytest.param(fault, place, expected, id=f"{fault}-{place}", marks=marks)


@pytest.mark.parametrize(("fault", "place", "expected"), list(_parameters()))
def test_a_fault_of_a_reader_is_seen_in_a_place(fault, place, expected, request):
    seen = outcome(fault, place, request)
    needs_more = seen.status == "not applicable" and "did not pass" in seen.remark
    assert {"passed": CURED, "failed": SEEN}.get(seen.status, SEEN if needs_more else "") == expected, seen


def test_every_fault_that_the_suite_sees_is_in_the_table():
    assert SUITE.keys() == SEEN_BY.keys()
