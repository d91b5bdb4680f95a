"""The example `jobs/places.yaml` in every place: one line of it changes, the table never does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job

JOBS = Path(__file__).parents[2] / "jobs"
LINE, TARGET = "  place: process\n", "  connector: iceberg\n"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Run the example in a place and give its table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    shutil.copy(JOBS / "plugins" / "generator.py", tmp_path / "plugins")

    def ran(place):
        text = (JOBS / "places.yaml").read_text()
        assert (text.count(LINE), text.count(TARGET)) == (1, 1)
        job = tmp_path / "job.yaml"
        out = tmp_path / "lake" / str(len(list(tmp_path.glob("lake/*"))))
        text = text.replace(TARGET, f"  connector: parquet\n  path: {out}\n")
        job.write_text(text.replace(LINE, f"  place: {place}\n"))
        [result] = run_job(load_job(job)).streams
        assert result.status == "committed", result.error
        return pq.read_table(out).sort_by("id")

    return ran


def test_a_child_process_gives_the_same_table(table):
    here = table("local")
    assert here.num_rows == 5000
    assert table("process").equals(here)


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_container_gives_the_same_table(table, base_images):
    assert table("docker").equals(table("local"))


@pytest.mark.docker
@pytest.mark.xdist_group("lambda")
def test_a_function_of_aws_lambda_gives_the_same_table(table, aws, aws_place):
    place = json.dumps({"launcher": "aws_lambda", **aws_place})
    assert table(place).equals(table("local"))
    assert aws.staged == []


@pytest.mark.xdist_group("cloud_functions")
def test_a_google_cloud_function_gives_the_same_table(table, gcp_place, gcs, gcs_prefix):
    place = json.dumps({"launcher": "gcp_functions", **gcp_place})
    assert table(place).equals(table("local"))
    assert gcs.keys(gcs_prefix) == []
