"""One window twice, two runs of it at once, windows in any order: the table is the same."""

from __future__ import annotations

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline import run
from dativo_dagster.pipeline.jobs import run_job
from tests.reliability import child
from tests.reliability.deliveries import EVERYWHERE, MODES, Desk, modes_of
from tests.reliability.extent import FULL

CELLS = [
    pytest.param((target, mode), id=f"{target}-{mode}", marks=marks)
    for target, marks in EVERYWHERE.items()
    for mode in modes_of(target)
]
MERGING = [pytest.param(name, marks=marks) for name, marks in EVERYWHERE.items() if "merge" in modes_of(name)]


@pytest.fixture
def desk(request, tmp_path, monkeypatch, target_named):
    """Give a desk whose table holds the first delivery, and whose source has the second one."""
    monkeypatch.chdir(tmp_path)
    target, mode = request.param
    made = Desk(tmp_path, MODES[mode], target_named(target))
    made.lay_out()
    (first,) = run_job(load_job(tmp_path / "job.yaml")).streams
    assert first.status == "committed", first.error
    made.deliver(2)
    return made


def holds_both_once(desk):
    lying = desk.lying()
    assert lying.rows == desk.mode.after
    assert len(lying.tokens) == len(set(lying.tokens)) == 2


@pytest.mark.parametrize("desk", CELLS, indirect=True)
def test_a_plan_that_is_carried_out_twice_is_one_commit(desk):
    job = load_job(desk.place / "job.yaml")
    (stream,) = job.streams
    plan = run.plan_stream(job, stream)
    attempts = [run.extract_write(job, stream, plan, run_id=name) for name in ("first", "second")]
    statuses = [run.commit(job, stream, plan, staged).status for staged in attempts]
    assert statuses == ["committed", "already_committed"]
    holds_both_once(desk)


@pytest.mark.parametrize("desk", CELLS, indirect=True)
def test_runs_of_one_window_at_once_are_one_commit(desk):
    results = child.at_once(desk.place, 6 if FULL else 3)
    assert sorted(r["status"] for r in results) == ["already_committed"] * (len(results) - 1) + ["committed"]
    holds_both_once(desk)


@pytest.mark.parametrize("desk", CELLS, indirect=True)
def test_a_run_with_nothing_new_changes_nothing(desk):
    statuses = [run_job(load_job(desk.place / "job.yaml")).streams[0].status for _ in range(3)]
    assert statuses[0] == "committed"
    assert set(statuses[1:]) <= {"already_committed", "nothing_new"}
    holds_both_once(desk)


@pytest.mark.parametrize("target", MERGING)
def test_an_older_delivery_that_comes_late_overwrites_no_newer_row(target, tmp_path, monkeypatch, target_named):
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, MODES["merge"], target_named(target))
    desk.lay_out()
    for version in (2, 1):
        desk.deliver(version)
        (result,) = run_job(load_job(tmp_path / "job.yaml")).streams
        assert result.status == "committed", result.error
    assert desk.lying().rows == desk.mode.after
