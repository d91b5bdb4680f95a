"""Fixtures and rules for the whole suite."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from dativo_dagster.telemetry import LOGGERS

# A shared machine is slow at times; what hangs is ended by pytest's own timeout.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

pytest_plugins = ["tests.servers.fixtures"]

# A shell makes what it starts in the background deaf to interrupts; our tests, and what they start, must hear them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Take back what a command of ours did to the loggers: whoever comes next wants to hear them."""
    root = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = [handler for handler in logging.root.handlers if handler in root]
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test in CI, where everything that tests need is installed."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, and in CI nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a skipped module in CI, for the same reason."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome, report.longrepr = "failed", f"skipped, and in CI nothing may be: {report.longrepr}"
    return report
