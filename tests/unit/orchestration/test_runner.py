from __future__ import annotations

import dagster as dg
import pytest

from dativo_dagster.orchestration.build import build_definitions

RUNNER = """\
runner:
  orchestrator:
    schedules:
      - {name: nightly, config: jobs/orders.yaml, cron: "0 2 * * *", timezone: Europe/Berlin, tags: {team: x}}
      - {name: often, config: jobs/orders.yaml, interval_seconds: 300, enabled: false}
      - {name: broken, config: jobs/missing.yaml, cron: "@daily"}
"""


@pytest.fixture
def definitions(folder, write_job, monkeypatch):
    monkeypatch.chdir(folder.parent)
    write_job("orders")
    write_job("not_named")
    (folder.parent / "runner.yaml").write_text(RUNNER)
    return build_definitions(folder.parent / "runner.yaml")


def test_each_schedule_of_a_runner_launches_the_job_of_its_own_file(definitions):
    found = {s.name: s for s in definitions.schedules}
    assert set(found) == {"nightly", "often"}
    assert {s.job_name for s in found.values()} == {"ingest__acme__orders"}
    nightly, often = found["nightly"], found["often"]
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("0 2 * * *", "Europe/Berlin")
    assert (often.cron_schedule, often.execution_timezone) == ("*/5 * * * *", "UTC")
    assert nightly.default_status == dg.DefaultScheduleStatus.RUNNING
    assert often.default_status == dg.DefaultScheduleStatus.STOPPED


def test_runs_of_a_schedule_have_its_tags(definitions):
    context = dg.build_schedule_context()
    [request] = definitions.resolve_schedule_def("nightly").evaluate_tick(context).run_requests
    assert request.tags["team"] == "x"
    assert request.tags["dativo/schedule"] == "nightly"


def test_only_the_jobs_that_the_runner_names_are_there_and_a_missing_one_is_seen(definitions):
    jobs = {job.name for job in definitions.jobs}
    assert "ingest__acme__orders" in jobs
    assert "ingest__acme__not_named" not in jobs
    assert any("missing" in key.to_user_string() for key in definitions.resolve_all_asset_keys())


def test_a_wrong_runner_file_is_seen_and_takes_nothing_down(folder):
    path = folder.parent / "runner.yaml"
    path.write_text("orchestrator: {schedules: [{name: a}]}")
    assert build_definitions(path).schedules == []
