from __future__ import annotations

from pathlib import Path

from dativo_dagster.config.forplugins import reader_config
from dativo_dagster.config.load import load_job

JOB = """
source: {custom_reader: "api.py:Reader"}
target: {connector: parquet, path: out, table: n.numbers}
contract: {name: numbers, schema: [{name: n, type: int64}]}
"""


def test_a_plugin_in_another_working_directory_knows_the_folder_of_its_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("job.yaml").write_text(JOB)
    job = load_job(Path("job.yaml"))
    assert reader_config(job, job.streams[0], {})["base"] == str(tmp_path)
