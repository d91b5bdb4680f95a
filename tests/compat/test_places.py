"""The examples of the earlier system that put plugins into functions and sandboxes load, and mean a place.

They name no target and no contract, so both are added here. The one with a sandbox is run here; those with a function
are in tests/integration/test_lambda_jobs.py and test_gcp_functions_jobs.py.
"""

from __future__ import annotations

import json
import os

import pyarrow.parquet as pq
import pytest

from dativo_dagster.cli import main
from dativo_dagster.config.load import load_job
from dativo_dagster.config.places import asked
from tests.seeds import PYTHON_IN_GCP, PYTHON_IN_LAMBDA, RUST_IN_LAMBDA, SANDBOX

REST = """
target: {connector: parquet, path: lake, table: shop.users}
contract: {name: users, schema: [{name: id, type: int64, required: true}]}
"""


@pytest.mark.parametrize(
    ("text", "launcher", "options"),
    [
        (
            PYTHON_IN_LAMBDA,
            "aws_lambda",
            {
                "runtime": "python3.11",
                "memory_mb": 512,
                "timeout_seconds": 300,
                "role_arn": "arn:aws:iam::123456789012:role/lambda-role",
            },
        ),
        (RUST_IN_LAMBDA, "aws_lambda", {"runtime": "provided.al2", "memory_mb": 1024, "timeout_seconds": 600}),
        (
            PYTHON_IN_GCP,
            "gcp_functions",
            {"runtime": "python311", "project_id": "my-project", "region": "us-central1"},
        ),
        (SANDBOX, "docker", {"cpus": 0.5, "memory_mb": 512, "network": "none", "timeout_seconds": 300}),
    ],
    ids=["python in AWS", "Rust in AWS", "python in GCP", "sandbox"],
)
def test_an_example_means_its_place(tmp_path, text, launcher, options):
    path = tmp_path / "job.yaml"
    path.write_text(text + REST)
    job = load_job(path, strict_environment=False)
    place = asked(job, job.streams[0].source)
    assert place is not None
    assert (place.launcher, dict(place.options)) == (launcher, options)


@pytest.mark.parametrize("text", [PYTHON_IN_LAMBDA, RUST_IN_LAMBDA, PYTHON_IN_GCP, SANDBOX])
def test_an_example_is_a_right_job(tmp_path, monkeypatch, capsys, text):
    monkeypatch.setenv("API_KEY", "k")
    path = tmp_path / "job.yaml"
    path.write_text(text + REST)
    assert main(["validate", str(path)]) == 0
    assert "1 job right, 0 problems" in capsys.readouterr().out


READER = """
import os
from pathlib import Path
from dativo_ingest.plugins import BaseReader, ConnectionTestResult, DiscoveryResult

class MyReader(BaseReader):
    def check_connection(self):
        return ConnectionTestResult(True, f"user {os.getuid()}, secret {os.environ.get('SECRET')}")

    def discover(self):
        return DiscoveryResult([{"name": "users", "type": "table", "columns": [{"name": "id", "type": "integer"}]}])

    def get_total_records_estimate(self):
        return 3

    def extract(self, state_manager=None):
        if os.environ.get("SECRET") or Path("/proc/net/dev").read_text().count(":") > 1:
            raise RuntimeError("this is no sandbox")
        yield [{"id": 1}, {"id": 2}]
        yield [{"id": 3}]
"""


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Give what a verb of the command line prints about a job, as JSON; the verb must end well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "sk-1")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_reader.py").write_text(READER)

    def said(verb, text, *more):
        (tmp_path / "job.yaml").write_text(text + REST)
        code = main([verb, "--config", "job.yaml", "--json", *more])
        out = capsys.readouterr().out
        assert code == 0, out
        return json.loads(out)

    return said


@pytest.mark.integration
@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_each_verb_runs_in_the_sandbox_of_the_example(told, tmp_path, base_images):
    [stream] = told("plan", SANDBOX)["streams"]
    assert stream["places"] == {"source": {"launcher": "docker", "why": "the job says `plugins.sandbox`"}}
    assert stream["window"]["units"][0]["rows"] == 3
    checked = told("check", SANDBOX)["source"]
    assert checked["status"] == "success"
    assert checked["message"] == f"user {os.getuid() or 10001}, secret None"
    assert [found["name"] for found in told("discover", SANDBOX)["objects"]] == ["users"]
    [result] = told("run", SANDBOX)["streams"]
    assert result["status"] == "committed"
    assert pq.read_table(tmp_path / "lake")["id"].to_pylist() == [1, 2, 3]


@pytest.mark.integration
@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_cloud_mode_confines_a_plugin_that_says_nothing(told, base_images):
    plain = SANDBOX.partition("plugins:\n  sandbox")[0]
    [stream] = told("plan", plain, "--mode", "cloud")["streams"]
    assert stream["places"]["source"] == {"launcher": "docker", "why": "`--mode cloud` confines plugins"}
    assert told("run", plain, "--mode", "cloud")["streams"][0]["status"] == "committed"


WRITER = """
import os
from pathlib import Path
from dativo_ingest.plugins import BaseWriter, ConnectionTestResult

class MyWriter(BaseWriter):
    def check_connection(self):
        return ConnectionTestResult(True, f"secret {os.environ.get('SECRET')}")

    def write_batch(self, records, file_counter):
        path = Path(self.output_base, f"{os.urandom(4).hex()}.txt")
        path.write_text("\\n".join(str(record["id"]) for record in records))
        return [{"path": str(path), "record_count": len(records)}]

    def commit_files(self, file_metadata):
        Path(self.output_base, "committed").write_text(str(len(file_metadata)))
        return {"status": "success"}

    def abort_files(self, file_metadata):
        for file in file_metadata:
            Path(file["path"]).unlink()
        Path(self.output_base, "aborted").touch()
"""
TARGET = """
target: {custom_writer: "plugins/my_writer.py:MyWriter", path: out}
contract: {name: users, schema: [{name: id, type: int64, required: true}]}
"""


@pytest.mark.integration
@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_writer_in_the_sandbox_is_asked_to_commit_or_to_abort(tmp_path, monkeypatch, capsys, base_images):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "sk-1")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_writer.py").write_text(WRITER)
    reader = tmp_path / "plugins" / "my_reader.py"
    reader.write_text(READER)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)  # the container's user is another one
    (tmp_path / "job.yaml").write_text(SANDBOX + TARGET)

    assert main(["check", "--config", "job.yaml", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)["target"]
    assert (checked["status"], checked["message"]) == ("success", "secret None")
    assert main(["run", "--config", "job.yaml"]) == 0
    assert (out / "committed").read_text() == "1"

    reader.write_text(READER.replace('yield [{"id": 3}]', 'yield [{"id": 4}] * 200_000; raise ValueError("no more")'))
    assert main(["run", "--config", "job.yaml"]) == 2
    assert (out / "aborted").exists()
    assert [path.read_text() for path in out.glob("*.txt")] == ["1\n2\n3"]
