from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from dativo_dagster.config.cron import check_cron
from dativo_dagster.config.load import load_folder
from dativo_dagster.config.runner import Runner, RunnerSchedule, load_runner
from dativo_ingest.exceptions import ConfigurationError

BARE = """\
mode: orchestrated
orchestrator:
  type: dagster
  concurrency_per_tenant: 2
  schedules:
    - {name: a, config: jobs/a.yaml, cron: "0 * * * *", timezone: Europe/Berlin, max_concurrent_runs: 3, tags: {x: y}}
    - {name: b, config: b.yaml, interval_seconds: 300, enabled: false}
"""


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("runner.yaml")


@pytest.mark.parametrize("text", [BARE, "runner:\n" + indent(BARE, "  ")], ids=["bare", "wrapped"])
def test_both_shapes_load(path, text):
    path.write_text(text)
    assert load_runner(path) == Runner(
        path=path,
        concurrency_per_tenant=2,
        schedules=(
            RunnerSchedule(
                name="a",
                job=Path("jobs/a.yaml"),
                cron="0 * * * *",
                timezone="Europe/Berlin",
                max_concurrent_runs=3,
                tags={"x": "y"},
            ),
            RunnerSchedule(name="b", job=Path("b.yaml"), interval_seconds=300, enabled=False),
        ),
    )


def test_a_runner_may_say_nothing(path):
    path.write_text("runner: {}\n")
    assert load_runner(path) == Runner(path=path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "1:1: a runner file is a mapping with `mode` and `orchestrator`"),
        ("runner: x", "1:9: runner: a runner file is a mapping with `mode` and `orchestrator`"),
        ("mode: once", "1:7: mode: 'once' is not one of 'orchestrated' or 'oneshot'"),
        ("runner:\n  mod: x", "2:3: runner.mod: unknown key 'mod'; did you mean 'mode'?"),
        (
            "orchestrator: {schedules: [{name: a, config: b}]}",
            "1:28: orchestrator.schedules[0]: say exactly one of `cron` and `interval_seconds`",
        ),
        (
            "orchestrator: {schedules: [{name: a, config: b, cron: '@daily', interval_seconds: 60}]}",
            "1:28: orchestrator.schedules[0]: say exactly one of `cron` and `interval_seconds`",
        ),
        (
            "orchestrator: {schedules: [{name: a, config: b, cron: x}]}",
            "1:55: orchestrator.schedules[0].cron: 'x' has 1 fields; a cron has five: minute hour day month weekday",
        ),
        (
            "orchestrator: {schedules: [{name: a, config: b, cron: '@daily'}, {name: a, config: c, cron: '@daily'}]}",
            "1:73: orchestrator.schedules[1].name: 'a' names two schedules; rename one",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(path, text, message):
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_runner(path)
    assert caught.value.message == f"runner.yaml:{message}"
    assert caught.value.error_code == "BAD_RUNNER"


def test_a_runner_file_stands_for_the_folder_of_the_jobs_that_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, target = "source: {connector: csv, files: [x.csv]}", "target: {connector: files, table: t}"
    Path("a.yaml").write_text(f"{source}\n{target}\ncontract: {{schema: [{{name: a}}]}}\n")
    Path("b.yaml").write_text("not: a job")
    schedules = "".join(
        f"  - {{name: {n}, config: {f}, cron: '@daily'}}\n"
        for n, f in zip("xyz", ("a.yaml", "a.yaml", "b.yaml"), strict=True)
    )
    Path("runner.yaml").write_text(f"orchestrator:\n schedules:\n{schedules}")
    found = load_folder(Path("runner.yaml"))
    assert [job.name for job in found.jobs] == ["a"]
    (problem,) = found.problems
    assert "b.yaml:1:1: this is no job" in problem.message


@pytest.mark.parametrize(
    ("seconds", "cron"),
    [(60, "*/1 * * * *"), (300, "*/5 * * * *"), (3600, "0 */1 * * *"), (21600, "0 */6 * * *"), (86400, "0 0 * * *")],
)
def test_an_interval_is_a_cron_that_comes_as_often(seconds, cron):
    schedule = RunnerSchedule(name="a", job=Path("a"), interval_seconds=seconds)
    assert schedule.crontab == check_cron(cron)


@pytest.mark.parametrize("seconds", [1, 59, 90, 420, 5400, 18000, 172800])
def test_an_interval_that_no_cron_says_is_refused_and_not_rounded(path, seconds):
    path.write_text(f"orchestrator: {{schedules: [{{name: a, config: b, interval_seconds: {seconds}}}]}}")
    with pytest.raises(ConfigurationError, match=f"no schedule comes every {seconds} seconds"):
        load_runner(path)
