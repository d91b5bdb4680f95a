from __future__ import annotations

import os
import threading
import time

import dagster as dg
import pytest

from dativo_dagster.orchestration import sensors
from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.orchestration.sensors import (
    AT_ONCE,
    CHECK_SECONDS,
    REPEAT_SECONDS,
    TICK_SECONDS,
    Memory,
    ask,
    walk,
)
from dativo_ingest.model import CheckResult
from tests.waiting import until

FINE = CheckResult(name="connection", passed=True)
DOWN = CheckResult(name="connection", passed=False, message="refused")


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """On a busy machine the process of a plugin takes long to start."""
    monkeypatch.setattr(sensors, "CHECK_SECONDS", 60.0)
    monkeypatch.setattr(sensors, "TICK_SECONDS", 120.0)


def tick(folder, cursor=None, name="connections__acme"):
    sensor = build_definitions(folder).resolve_sensor_def(name)
    with dg.build_sensor_context(cursor=cursor) as context:
        return sensor.evaluate_tick(context)


def test_a_tick_evaluates_the_connection_of_every_source_without_a_run(folder, write_job):
    write_job("orders")
    write_job("returns")
    (folder / "data" / "returns.csv").unlink()
    done = tick(folder)
    outcomes = {event.asset_key.path[-1]: event.passed for event in done.asset_events}
    assert outcomes == {"orders_csv": True, "returns_csv": False}
    assert not done.run_requests


def test_a_source_is_reached_with_the_secrets_of_its_tenant_as_a_run_would(folder, write_job, monkeypatch):
    path = write_job()
    path.write_text(path.read_text().replace("data/orders*.csv", '"data/${FILE_NAME}.csv"'))
    assert [event.passed for event in tick(folder).asset_events] == [False]
    monkeypatch.setenv("DATIVO_SECRET__ACME__FILE_NAME", "orders")
    assert [event.passed for event in tick(folder).asset_events] == [True]


def test_an_outcome_is_reported_again_only_when_it_changes(folder, write_job):
    write_job()
    first = tick(folder)
    second = tick(folder, first.cursor)
    (folder / "data" / "orders.csv").unlink()
    third = tick(folder, second.cursor)
    assert [len(t.asset_events) for t in (first, second, third)] == [1, 0, 1]


def test_an_unchanged_outcome_is_reported_from_time_to_time():
    memory = Memory()
    news = [memory.is_news("a", FINE, now) for now in (1.0, 2.0, REPEAT_SECONDS + 2)]
    assert news == [True, False, True]
    assert memory.is_news("a", DOWN, REPEAT_SECONDS + 3)


def test_a_tick_goes_on_where_the_last_one_ran_out_of_time():
    names = [f"{n:02}" for n in range(AT_ONCE + 3)]
    now = iter([0.0, 0.0, 1000.0])
    memory = Memory()
    first = walk(dict.fromkeys(names, (None, ())), memory, lambda _: FINE, clock=lambda: next(now))
    assert [name for name, _ in first] == names[:AT_ONCE]
    again = Memory.loads(memory.dumps())
    second = walk(dict.fromkeys(names, (None, ())), again, lambda _: FINE)
    assert [name for name, _ in second][:3] == names[AT_ONCE:]
    assert len(second) == len(names)


def test_a_source_that_never_answers_is_a_refusal_and_holds_nobody_up():
    never = threading.Event()
    answer = ask(lambda: never.wait() and FINE)
    outcome = answer(0.0)
    never.set()
    assert not outcome.passed
    assert outcome.code == "CONNECTION_FAILED"
    assert "no answer" in outcome.message


def test_an_error_nobody_expected_is_a_refusal():
    outcome = ask(lambda: 1 / 0)(time.monotonic() + 5)
    assert not outcome.passed
    assert "ZeroDivisionError" in outcome.message


def test_broken_files_are_reported_once_as_failed_checks(folder):
    (folder / "bad.yaml").write_text("source: {}\n")
    first = tick(folder, name="broken_jobs")
    (event,) = first.asset_events
    assert (event.check_name, event.passed) == ("loads", False)
    assert "bad.yaml" in event.description
    assert tick(folder, first.cursor, name="broken_jobs").skip_message


def test_a_tick_ends_before_dagster_ends_it():
    assert TICK_SECONDS + CHECK_SECONDS < 60


CRASHES = """\
import os, signal
from dativo_ingest import BaseReader


class ApiReader(BaseReader):
    def check_connection(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def extract(self, state_manager=None):
        yield []
"""


@pytest.mark.parametrize("place", ["", ", place: local", ", place: {launcher: process, memory_mb: 512}"])
def test_a_plugin_that_crashes_is_a_refusal_and_not_the_end_of_the_code_server(folder, write_plugin_job, place):
    write_plugin_job(code=CRASHES, source=place)
    (event,) = tick(folder).asset_events
    assert not event.passed
    assert event.asset_key.path[-1] == "orders_ApiReader"
    assert event.metadata["code"].value == "PLUGIN_CRASHED"
    assert "SIGSEGV" in event.description


def test_a_plugin_that_hangs_leaves_nothing_behind(folder, write_plugin_job, monkeypatch):
    note = folder / "pid"
    hangs = f"import time\n        open({str(note)!r}, 'w').write(str(os.getpid()))\n        time.sleep(600)"
    write_plugin_job(code=CRASHES.replace("os.kill(os.getpid(), signal.SIGSEGV)", hangs))
    for seconds in (3.0, 15.0, 60.0):  # whatever it takes until the plugin has come to hang
        monkeypatch.setattr(sensors, "CHECK_SECONDS", seconds)
        (event,) = tick(folder).asset_events
        assert not event.passed
        if note.exists() and note.read_text():
            break
    until(lambda: has_ended(note.read_text()), 60)


def has_ended(pid):
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False
