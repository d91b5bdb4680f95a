"""The end of a run, as a person reads it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from dativo_dagster.cli.console import Console
from dativo_dagster.cli.summary import show_result
from dativo_ingest.model import Usage
from dativo_ingest.result import JobResult, StreamResult

CALL = Usage(place="aws_lambda", verb="read", seconds=1.25, memory_mb=512, usd=0.25)


def told(*usage):
    """Give what is written of a run that took this much."""
    out = io.StringIO()
    stream = StreamResult(job="j", tenant="t", stream="s", table="x", status="committed", usage=usage)
    show_result(JobResult(job="j", tenant="t", run_id="r", streams=(stream,)), Console(out))
    return out.getvalue()


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ((0.25, 0.5), "s: 2 calls of aws_lambda, 2.5 s billed, about 0.750000 USD by list price\n"),
        ((0.25, None), "s: 2 calls of aws_lambda, 2.5 s billed\n"),
    ],
)
def test_what_is_paid_by_use_has_one_line_and_a_sum_only_where_every_price_is_known(prices, said):
    assert said in told(*(replace(CALL, usd=price) for price in prices))


def test_a_run_that_nobody_bills_says_nothing_of_it():
    assert "billed" not in told()
