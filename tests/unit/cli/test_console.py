from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from dativo_dagster.cli.console import Console, ProgressBar, duration, progress_line, size
from dativo_ingest.exceptions import CommitError
from dativo_ingest.result import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    out = io.StringIO()
    Console(out).table(("name", ">rows"), [("a", "1"), ("longer", "1,000")], indent=2)
    assert out.getvalue() == "  name     rows\n  a           1\n  longer  1,000\n"


def test_a_table_without_names_has_no_header():
    out = io.StringIO()
    Console(out).table(("", ""), [("a", "b")])
    assert out.getvalue() == "a  b\n"


def test_colour_is_for_terminals_and_not_for_those_who_want_none(monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert Console(Terminal()).style("x", "red") == "\x1b[31mx\x1b[0m"
    assert Console(io.StringIO()).style("x", "red") == "x"
    monkeypatch.setenv("TERM", "dumb")
    assert Console(Terminal()).style("x", "red") == "x"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert Console(Terminal()).style("x", "red") == "x"


def test_an_error_of_ours_has_its_code_and_what_to_do():
    err = io.StringIO()
    Console(err=err).error(CommitError("the table is gone"))
    assert err.getvalue().startswith("error: the table is gone\n  COMMIT_FAILED: ")


def test_the_progress_line_says_how_far_and_how_fast():
    progress = Progress(stream="orders", rows=1_204_000, bytes=5_000_000, total_bytes=10_000_000, seconds=10.0)
    line = progress_line(progress, columns=200)
    assert line == "orders  [############............]  50%  1,204,000 rows  120,400 rows/s  500.0 kB/s  0:10"


def test_the_progress_line_has_no_bar_when_the_total_is_unknown():
    assert progress_line(Progress(stream="x", rows=10, seconds=1.0), columns=80) == "x  10 rows  10 rows/s  1.00 s"


def test_the_progress_line_fits_the_terminal():
    progress = Progress(stream="orders", rows=1, bytes=1, total_bytes=3, units=1, total_units=3, seconds=1)
    assert len(progress_line(progress, columns=40)) == 39


def test_the_bar_is_drawn_at_most_ten_times_a_second_and_taken_away(monkeypatch):
    stream = Terminal()
    bar = ProgressBar(stream)
    for step in range(64):
        now = SimpleNamespace(monotonic=lambda step=step: 100 + step / 64)
        monkeypatch.setattr("dativo_dagster.cli.console.time", now)
        bar(Progress(stream="x"))
    assert stream.getvalue().count("\r\x1b[K") == 10
    bar.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (24_100, "24.1 kB"), (3e9, "3.0 GB"), (2e15, "2000.0 TB")],
)
def test_sizes_are_in_powers_of_a_thousand(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.412, "0.41 s"), (9.99, "9.99 s"), (65, "1:05"), (59.9, "1:00"), (3723, "1:02:03")]
)
def test_times_are_short(seconds, text):
    assert duration(seconds) == text
