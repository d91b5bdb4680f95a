"""Windows over a cursor column of a real PostgreSQL whose clock the test turns: no row is lost, none comes twice.

Rows become visible when a transaction commits, later than their cursor says, by up to ``safe_lag`` and to the very
microsecond; windows are planned at any moment in between.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
from tests.reliability import oracle
from tests.reliability.extent import FULL

pytestmark = pytest.mark.integration

LAG = 3600
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
CLOCKS_GO_BACK = datetime(2026, 10, 24, 23, tzinfo=timezone.utc)  # two hours before they do in Berlin
BERLIN = ZoneInfo("Europe/Berlin")
JOB = """
name: events
source:
  {{connector: postgres, url: "{url}", timezone: Europe/Berlin, incremental: {{cursor_field: at{incremental}}}}}
target: {{connector: parquet, path: out, table: a.events, mode: {mode}}}
contract:
  name: events
  schema: [{{name: id, type: int64, required: true, primary_key: true}}, {{name: at, type: {kind}}}]
"""
CLOCK = """
CREATE SCHEMA turned;
CREATE TABLE turned.clock (shows timestamptz NOT NULL);
INSERT INTO turned.clock VALUES (now());
CREATE FUNCTION turned.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT shows FROM turned.clock'
"""
EXAMPLES = settings(
    max_examples=150 if FULL else 8,
    derandomize=not FULL,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

late = st.sampled_from([timedelta(0), MICROSECOND, SECOND, LAG * SECOND - MICROSECOND, LAG * SECOND])
turns = st.sampled_from([timedelta(0), MICROSECOND, SECOND, 900 * SECOND, LAG * SECOND, LAG * SECOND + MICROSECOND])
"""How late a row comes, and how far the clock goes on: around what a window could get wrong."""
days = st.lists(st.tuples(turns, st.lists(st.one_of(late, st.none()), max_size=3), st.booleans()), max_size=8)
"""Again and again: the clock goes on, rows come, perhaps there is a run. None is a row without a cursor."""


class Source:
    """A database of its own; ``clock`` is what it takes for now."""

    def __init__(self, url):
        self.url = url.replace("postgresql+psycopg2:", "postgresql:")
        self.clock = CLOCKS_GO_BACK
        self.run(*CLOCK.split(";"))
        self.run(f"ALTER DATABASE {url.rpartition('/')[2]} SET search_path = turned, pg_catalog, public")

    def run(self, *statements):
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(*([statement] if isinstance(statement, str) else statement))
        connection.close()

    def empty(self, kind):
        self.run("DROP TABLE IF EXISTS public.events", f"CREATE TABLE public.events (id int8 PRIMARY KEY, at {kind})")
        self.clock = CLOCKS_GO_BACK

    def put(self, number, at):
        self.run(("INSERT INTO public.events VALUES (%s, %s)", (number, at)))

    def turn(self, by):
        self.clock += by
        self.run(("UPDATE turned.clock SET shows = %s", (self.clock,)))


@pytest.fixture(scope="module")
def source(pg):
    return Source(pg.create_database())


class Desk:
    """A job over the source, and what came of it."""

    def __init__(self, place, source, kind, mode="append", incremental=""):
        self.place = Path(place)
        text = JOB.format(url=source.url, kind=kind, mode=mode, incremental=incremental)
        (self.place / "job.yaml").write_text(text.replace("path: out", f"path: {place}/out"))

    def run(self):
        (result,) = run_job(load_job(self.place / "job.yaml")).streams
        assert result.status in {"committed", "nothing_new", "already_committed"}, result.error

    def ids(self):
        return sorted(row[0] for row in oracle.folder(self.place / "out", ["id"]).rows)


def write(kind, moment):
    """Give the cursor that a program in Berlin writes at a moment."""
    return moment if kind == "timestamptz" else moment.astimezone(BERLIN).replace(tzinfo=None)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
@EXAMPLES
@given(days=days)
def test_rows_that_come_late_or_when_clocks_go_back_come_once(source, kind, days):
    source.empty(kind)
    with TemporaryDirectory() as place:
        desk, wanted, number = Desk(place, source, kind, incremental=f", safe_lag: {LAG}, null_cursor: exclude"), [], 0
        for turn, rows, run in [*days, (2 * LAG * SECOND, [], True), (2 * LAG * SECOND, [], True)]:
            source.turn(turn)
            for delay in rows:
                number += 1
                source.put(number, None if delay is None else write(kind, source.clock - delay))
                wanted += [] if delay is None else [number]
            if run:
                desk.run()
        assert desk.ids() == sorted(wanted)


@EXAMPLES
@given(days=days)
def test_rows_later_than_that_are_found_by_looking_back(source, days):
    source.empty("timestamptz")
    rules = f", lookback: {LAG}, null_cursor: include"
    with TemporaryDirectory() as place:
        desk, number = Desk(place, source, "timestamptz", "merge", rules), 0
        for turn, rows, run in [*days, (MICROSECOND, [], True)]:
            source.turn(turn)
            for delay in rows:
                number += 1
                source.put(number, None if delay is None else source.clock - delay)
            if run:
                source.turn(MICROSECOND)
                desk.run()
        assert desk.ids() == list(range(1, number + 1))


@EXAMPLES
@given(runs=st.lists(st.lists(st.integers(min_value=0, max_value=2), max_size=4), max_size=6), first=st.integers(-3, 0))
def test_numbers_that_are_equal_zero_or_negative_come_once(source, runs, first):
    source.empty("int8")
    highest, number = first, 0
    with TemporaryDirectory() as place:
        desk = Desk(place, source, "int64")
        for steps in [*runs, []]:
            highest += bool(number)
            for step in steps:
                number, highest = number + 1, highest + step
                source.put(number, highest)
            desk.run()
        assert desk.ids() == list(range(1, number + 1))


def test_a_row_without_a_cursor_stops_the_run_unless_the_job_says_what_becomes_of_it(source, tmp_path):
    source.empty("timestamptz")
    source.put(1, None)
    Desk(tmp_path, source, "timestamptz")
    (result,) = run_job(load_job(tmp_path / "job.yaml")).streams
    assert (result.status, result.error["error_code"]) == ("failed", "NULL_CURSORS")
