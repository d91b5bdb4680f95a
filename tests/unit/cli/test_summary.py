"""The end of a run, as a person reads it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from dativo_dagster.cli.console import Console
from dativo_dagster.cli.summary import show_result
from dativo_ingest.exceptions import PluginError, TransientError
from dativo_ingest.model import Usage
from dativo_ingest.result import JobResult, StreamResult

CALL = Usage(place="aws_lambda", verb="read", seconds=1.25, memory_mb=512, usd=0.25)


def told(*usage):
    """Give what is written of a run that took this much."""
    return ended(usage=usage)


def ended(*, debug=False, error=None, usage=()):
    """Give what is written of a run that ended so."""
    out, status = io.StringIO(), "failed" if error else "committed"
    stream = StreamResult(job="j", tenant="t", stream="s", table="x", status=status, usage=usage, error=error)
    show_result(JobResult(job="j", tenant="t", run_id="r", streams=(stream,)), Console(out), debug=debug)
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


def test_the_lines_of_a_plugin_that_failed_are_shown_when_asked_for():
    told = 'Traceback (most recent call last):\n  File "/plugin/shop.py", line 3, in page\nKeyError: 1\n'
    error = PluginError("plugin shop.py: KeyError: 1", "PLUGIN_FAILED", {"remote_traceback": told}).to_dict()
    assert "page" not in ended(error=error)
    assert f"s: in the plugin:\n{told}" in ended(error=error, debug=True)


def test_who_runs_a_job_by_hand_is_told_that_nobody_else_runs_it_again():
    lasting, passing = PluginError("no page", "PLUGIN_FAILED"), TransientError("busy")
    assert "run it again" not in ended(error=lasting.to_dict())
    assert "s: it may pass by itself: this command tries nothing twice, run it again\n" in ended(
        error=passing.to_dict()
    )


def test_a_run_that_nobody_bills_says_nothing_of_it():
    assert "billed" not in told()
