"""Whole jobs whose reader or writer is a Python file beside them."""

from __future__ import annotations

import json
import textwrap

import pytest

from dativo_dagster.config.job import Place
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.pipeline.look import check_connection, discover
from dativo_dagster.pipeline.plugins import stores
from dativo_ingest.exceptions import ConfigurationError

JOB = """\
tenant: acme
source:
  custom_reader: plugin.py:Numbers
  connection: {{upto: {upto}}}
  {source}
target: {{connector: parquet, path: {table}, table: n.numbers}}
contract: {{name: numbers, schema: [{{name: n, type: int64, required: true}}]}}
{more}
"""
READER = """\
from pathlib import Path
from dativo_ingest import BaseReader

Path(__file__).with_name("executed").touch()

class Numbers(BaseReader):
    def extract(self, state_manager=None):
        first = 0
        if state_manager:
            path = Path(self.source_config.incremental["state_path"])
            first = state_manager.read_state(path).get("next", 0)
        upto = self.source_config.connection["upto"]
        if upto > first:
            yield [{"n": n} for n in range(first, upto)]
        if state_manager:
            state_manager.write_state(path, {"next": upto})
        self.after()

    def after(self):
        pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin.py").write_text(READER)
    return tmp_path


@pytest.fixture
def job(folder):
    def made(upto=3, source="", more=""):
        path = folder / "job.yaml"
        path.write_text(JOB.format(upto=upto, source=source, more=more, table=folder / "out"))
        return load_job(path)

    return made


def one(job):
    (result,) = run_job(job).streams
    return result


def numbers(job):
    return [row["n"] for batch in open_table(job, job.streams[0]).scan() for row in batch.to_pylist()]


def test_rows_of_a_python_class_end_in_the_table(job):
    result = one(job())
    assert (result.status, result.counts.written, numbers(job())) == ("committed", 3, [0, 1, 2])


def test_loading_a_job_runs_nothing_of_its_plugin(job, folder):
    job()
    assert not (folder / "executed").exists()


def test_a_source_without_state_is_read_again_by_each_run(job):
    one(job())
    one(job())
    assert sorted(numbers(job())) == [0, 0, 1, 1, 2, 2]


INCREMENTAL = "incremental: {strategy: incremental}"


def test_the_state_of_a_plugin_is_that_of_the_table(job):
    one(job(3, INCREMENTAL))
    result = one(job(5, INCREMENTAL))
    assert (result.counts.read, sorted(numbers(job()))) == (2, [0, 1, 2, 3, 4])


def test_a_run_that_finds_nothing_new_commits_nothing(job):
    one(job(3, INCREMENTAL))
    result = one(job(3, INCREMENTAL))
    assert (result.status, result.snapshot, result.counts.read) == ("nothing_new", None, 0)


def test_a_run_that_fails_leaves_the_state_where_it_was(job, folder):
    one(job(3, INCREMENTAL))
    (folder / "plugin.py").write_text(READER.replace("        pass", "        raise OSError('the line broke')"))
    assert one(job(5, INCREMENTAL)).status == "failed"
    (folder / "plugin.py").write_text(READER)
    one(job(5, INCREMENTAL))
    assert sorted(numbers(job())) == [0, 1, 2, 3, 4]


def test_state_that_the_earlier_system_left_is_where_the_first_run_begins(job, folder):
    (folder / "old.json").write_text(json.dumps({"next": 2}))
    one(job(4, "incremental: {strategy: incremental, state_path: old.json}"))
    assert numbers(job()) == [2, 3]


def test_an_edited_plugin_is_used_by_the_next_run(job, folder):
    one(job())
    (folder / "plugin.py").write_text(READER.replace('{"n": n}', '{"n": n * 10}'))
    one(job())
    assert sorted(numbers(job())) == [0, 0, 1, 2, 10, 20]


def test_an_error_of_a_plugin_names_its_file_and_line(job, folder):
    (folder / "plugin.py").write_text(READER.replace("        pass", "        raise KeyError('boom')"))
    error = one(job()).error
    assert error["error_code"] == "PLUGIN_FAILED"
    assert f"plugin.py:{READER.splitlines().index('        pass') + 1}" in error["message"]


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("engine: {cloud_execution: {enabled: true, provider: gcp}}", ""),
        ("", "plugins: {sandbox: {cpu_limit: 0.5, container_image: dativo/there-is-none}}"),
    ],
    ids=["cloud", "sandbox"],
)
def test_a_plugin_that_is_meant_for_a_place_that_is_not_there_is_never_run_here(job, folder, source, more):
    assert one(job(source=source, more=more)).status == "failed"
    assert not (folder / "executed").exists()


def test_a_sandbox_and_a_weaker_place_contradict_each_other(job, folder):
    with pytest.raises(ConfigurationError) as caught:
        job(source="place: process", more="plugins: {sandbox: {enabled: true}}")
    assert caught.value.error_code == "PLACE_CONFLICT"
    assert not (folder / "executed").exists()


def test_a_sandbox_that_is_switched_off_is_none(job):
    assert one(job(more="plugins: {sandbox: {enabled: false}}")).status == "committed"


def test_a_plugin_in_a_child_process_does_the_same(job):
    assert one(job(source="place: process")).counts.written == 3
    assert numbers(job()) == [0, 1, 2]


def test_check_and_discover_ask_the_plugin(job, folder):
    extra = """
    def check_connection(self):
        from dativo_ingest import ConnectionTestResult
        return ConnectionTestResult(success=False, message="closed", error_code="AUTH_FAILED")

    def discover(self):
        from dativo_ingest import DiscoveryResult
        return DiscoveryResult(objects=[{"name": "n", "type": "numbers"}])
"""
    (folder / "plugin.py").write_text(READER + textwrap.indent(textwrap.dedent(extra), "    "))
    loaded = job()
    found = check_connection(loaded, loaded.streams[0], "source")
    assert (found.passed, found.code, found.message) == (False, "AUTH_FAILED", "closed")
    assert [s.name for s in discover(loaded, loaded.streams[0])] == ["n"]


def test_classes_that_a_plugin_knows_of_its_columns_are_governance_tags_of_the_table(job, folder):
    extra = """
    def get_source_tags(self):
        return {"n": "PII"}
"""
    (folder / "plugin.py").write_text(READER + extra)
    one(job())
    (manifest,) = (folder / "out").rglob("manifest.json")
    assert json.loads(manifest.read_text())["properties"]["classification.fields.n"] == "pii"


@pytest.mark.parametrize(
    ("launcher", "lent"), [("local", True), ("process", True), ("docker", False), ("aws_lambda", False)]
)
def test_the_keys_of_this_machine_stay_with_plugins_that_run_on_it_without_walls(monkeypatch, launcher, lent):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient")
    options = {"files": ["s3://lake/orders.csv"], "connection": {"s3": {"region": "eu-west-1"}}}
    assert ("ambient" in str(stores(options, Place(launcher=launcher)))) == lent
    assert stores(options, Place(launcher=launcher))["s3"]["region"] == "eu-west-1"
    said = {**options, "connection": {"s3": {"access_key_id": "jobs", "secret_access_key": "jobs"}}}
    assert stores(said, Place(launcher=launcher))["s3"]["access_key_id"] == "jobs"
