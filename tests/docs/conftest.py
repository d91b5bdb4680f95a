"""The examples as somebody would run them: copied, in a working directory of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job

JOBS = Path(__file__).parents[2] / "jobs"


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A copy of the examples, and a working directory of its own for what they write."""
    shutil.copytree(JOBS, tmp_path / "jobs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "jobs"


@pytest.fixture
def run(jobs):
    """Run an example; give its job and the results of its streams by name."""

    def go(name):
        job = load_job(jobs / name)
        return job, {result.stream: result for result in run_job(job).streams}

    return go
