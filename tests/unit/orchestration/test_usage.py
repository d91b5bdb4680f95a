"""What is paid by use is told with the run that used it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.orchestration.usage import LINES, places_metadata, usage_metadata
from dativo_ingest.model import Usage

CALL = Usage(place="aws_lambda", verb="read", unit="a", seconds=1.5, memory_mb=512, peak_mb=100, usd=0.25)


def test_a_run_that_nobody_bills_says_nothing():
    assert usage_metadata(()) == {}


def test_each_call_has_a_line_and_all_have_a_total():
    facts = usage_metadata((CALL, replace(CALL, unit="b", attempt=2, seconds=2.5)))
    assert (facts["billed_calls"], facts["billed_seconds"], facts["estimated_usd"]) == (2, 4.0, 0.5)
    first = facts["usage"].records[0].data
    assert (first["unit"], first["attempt"], first["memory_mb"], first["usd"]) == ("b", 2, 512, 0.25)


def test_a_price_that_is_not_known_leaves_no_total():
    assert "estimated_usd" not in usage_metadata((CALL, replace(CALL, usd=None)))


def test_a_price_has_no_more_digits_than_a_person_reads():
    facts = usage_metadata([replace(CALL, usd=0.0000010125016250000001)])
    assert facts["usage"].records[0].data["usd"] == facts["estimated_usd"] == 0.00000101


def test_a_thousand_calls_are_all_counted_and_the_longest_shown():
    facts = usage_metadata([replace(CALL, seconds=float(n)) for n in range(1000)])
    assert facts["billed_calls"] == 1000
    assert [record.data["seconds"] for record in facts["usage"].records] == [999.0 - n for n in range(LINES)]


@pytest.mark.parametrize(
    ("source", "said"),
    [("", "local: what Python raises is caught"), (", place: process", "process: the job says `place`")],
)
def test_the_place_of_a_plugin_is_told_with_its_reason(write_plugin_job, source, said):
    job = load_job(write_plugin_job("api", source=source))
    assert places_metadata(job, job.streams[0]) == {"reader_place": said}
