"""Plugins under a real `dagster dev`: an edited one is used by the next run, a terminated run leaves nothing behind."""

from __future__ import annotations

import os
import time
import uuid

import pytest

from tests.servers import dagster_ui
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("plugins_in_dagster")]

JOB = """\
name: {name}
tenant: acme
source: {{custom_reader: "plugins/{name}.py:Api", objects: [{name}], place: {place}}}
target:
  connector: iceberg
  table: sales.{name}
  catalog: {{type: sql, uri: "sqlite:///{root}/catalog.db", warehouse: "file://{root}/lake"}}
retry: {{max_retries: 3}}
contract:
  name: {name}
  schema: [{{name: id, type: integer, required: true}}]
"""
PLUGIN = """\
import os, time
from dativo_ingest import BaseReader


class Api(BaseReader):
    def extract(self, state_manager=None):
        {body}
        yield [{{"id": 1}}]
"""
LAUNCH = """mutation($job: String!) {launchRun(executionParams: {mode: "default", selector: {
    repositoryLocationName: "dativo", repositoryName: "__repository__", pipelineName: $job}}) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
STATUS = "query($run: ID!) {runOrError(runId: $run) {... on Run {status}}}"
TERMINATE = "mutation($run: String!) {terminateRun(runId: $run) {__typename}}"
ROWS = """query($job: AssetKeyInput!) {assetOrError(assetKey: $job) {... on Asset {assetMaterializations(limit: 1) {
    metadataEntries {label ... on IntMetadataEntry {intValue} ... on MarkdownMetadataEntry {mdStr}}}}}}"""
LAST = {"SUCCESS", "FAILURE", "CANCELED"}
SHUT_IN = f"shut_in_{uuid.uuid4().hex[:8]}"
"""A job of this session alone: others use the engine, too."""


class Jobs:
    """Jobs with plugins, in a folder that `dagster dev` serves."""

    def __init__(self, root):
        self.root, self.folder = root, root / "jobs"
        (self.folder / "plugins").mkdir(parents=True)

    def plugin(self, name, body="pass"):
        """Write a plugin."""
        (self.folder / "plugins" / f"{name}.py").write_text(PLUGIN.format(body=body))

    def job(self, name, place):
        """Write a job and its plugin."""
        self.plugin(name)
        (self.folder / f"{name}.yaml").write_text(JOB.format(name=name, place=place, root=self.root))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    made = Jobs(tmp_path_factory.mktemp("served"))
    made.job("edited", "local")
    made.job("asleep", "process")
    notes = made.root / "notes"
    notes.mkdir()
    notes.chmod(0o777)  # the user of a container writes there
    made.job(SHUT_IN, f"{{launcher: docker, mounts: [{{path: '{notes}', writable: true}}]}}")
    return made


@pytest.fixture(scope="module")
def ui(jobs):
    with dagster_ui.serve(jobs.root, jobs.folder) as server:
        yield server


def launch(ui, name):
    """Launch the run of a job, as the button does."""
    answer = ui.query(LAUNCH, job=f"ingest__acme__{name}")["launchRun"]
    assert "run" in answer, answer
    return answer["run"]["runId"]


def wait_for(ui, run, wanted, seconds=120):
    """Wait until a run has one of the wanted states, and give it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = ui.query(STATUS, run=run)["runOrError"]["status"]
        if status in wanted:
            return status
        time.sleep(0.2)
    raise AssertionError(f"run {run} is {status} after {seconds} s")


def first_rows(ui, name):
    """Give what the last run of a job shows of its table."""
    answer = ui.query(ROWS, job={"path": ["acme", "sales", name]})["assetOrError"]["assetMaterializations"]
    return next(entry["mdStr"] for entry in answer[0]["metadataEntries"] if entry["label"] == "first_rows")


def test_an_edited_plugin_is_used_by_the_next_run(jobs, ui):
    assert wait_for(ui, launch(ui, "edited"), LAST) == "SUCCESS"
    assert "| 77 |" not in first_rows(ui, "edited")
    jobs.plugin("edited", 'yield [{"id": 77}]')
    assert wait_for(ui, launch(ui, "edited"), LAST) == "SUCCESS"
    assert "| 77 |" in first_rows(ui, "edited")


def test_terminate_ends_a_run_and_the_child_its_plugin_hangs_in(jobs, ui):
    note = jobs.root / "pid"
    jobs.plugin("asleep", f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    run = launch(ui, "asleep")
    child = int(_written(note))
    assert _alive(child)
    ui.query(TERMINATE, run=run)
    started = time.monotonic()
    assert wait_for(ui, run, LAST) == "CANCELED"
    print(f"canceled in {time.monotonic() - started:.1f} s")
    until(lambda: not _alive(child), 30)


@pytest.mark.docker
def test_terminate_ends_a_run_and_removes_the_container_its_plugin_hangs_in(jobs, ui, base_images):
    note = jobs.root / "notes" / "asleep"
    jobs.plugin(SHUT_IN, f"open({str(note)!r}, 'w').write('x'); time.sleep(600)")
    run = launch(ui, SHUT_IN)
    _written(note)
    assert len(_containers(base_images)) == 1
    ui.query(TERMINATE, run=run)
    assert wait_for(ui, run, LAST) == "CANCELED"
    until(lambda: _containers(base_images) == [], 30)


def _containers(engine):
    return engine.containers.list(all=True, filters={"label": f"dativo.job={SHUT_IN}"}, ignore_removed=True)


def _written(path, seconds=120):  # the first use of a container builds an image
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.1)
    raise AssertionError(f"nobody wrote {path}")


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
