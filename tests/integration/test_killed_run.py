"""A run that is killed at its worst moment is repeated, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table

ROWS = 3_000_000
JOB = """
name: big
source: {{connector: csv, files: big.csv}}
target: {{connector: {connector}, table: a.big}}
contract: {{name: big, schema: [{{name: id, type: int64, required: true}}, {{name: text, type: string}}]}}
"""
COMMAND = [sys.executable, "-m", "dativo_dagster.cli"]


@pytest.fixture(params=["iceberg", "parquet"])
def desk(request, tmp_path, monkeypatch):
    """Give a folder with a job and its source, and be there: the lake is made below the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big.yaml").write_text(JOB.format(connector=request.param))
    with (tmp_path / "big.csv").open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{n},some text that is not the same {n * 7919}\n" for n in range(ROWS))
    return tmp_path


def unfinished(desk):
    return [p for p in desk.rglob(".dativo-*") if p.is_file() and p.stat().st_size]


@pytest.mark.integration
def test_a_run_killed_while_it_writes_is_repeated_without_a_lost_or_doubled_row(desk):
    process = subprocess.Popen([*COMMAND, "run", "big.yaml"], stdout=-3, stderr=-3)
    deadline = time.monotonic() + 150
    while not unfinished(desk):
        assert process.poll() is None, "ended before anything was written"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    job = load_job(desk / "big.yaml")
    assert list(open_table(job, job.streams[0]).columns()) == [], "nothing of it is visible"

    for status in ("committed", "already_committed"):
        again = subprocess.run([*COMMAND, "run", "big.yaml", "--json"], capture_output=True, text=True, check=True)
        assert json.loads(again.stdout)["streams"][0]["status"] == status

    ids = [n for batch in open_table(job, job.streams[0]).scan() for n in batch.column("id").to_pylist()]
    assert len(ids) == ROWS
    assert len(set(ids)) == ROWS

    collect = [*COMMAND, "gc", "big.yaml", "--older-than", "0m", "--delete"]
    subprocess.run(collect, check=True, capture_output=True)
    assert unfinished(desk) == []
    assert sum(b.num_rows for b in open_table(job, job.streams[0]).scan()) == ROWS
