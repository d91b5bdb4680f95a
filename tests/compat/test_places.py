"""The examples of the earlier system that put plugins into functions and sandboxes load, and mean a place.

They name no target and no contract, so both are added here.
"""

from __future__ import annotations

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.config.places import asked

REST = """
target: {connector: parquet, path: lake, table: shop.users}
contract: {name: users, schema: [{name: id, type: int64, required: true}]}
"""
PYTHON_IN_LAMBDA = """\
source:
  custom_reader: "plugins/my_api_reader.py:MyAPIReader"
  connection:
    base_url: "https://api.example.com"
  credentials:
    api_key: "${API_KEY}"
  engine:
    cloud_execution:
      enabled: true
      provider: "aws"
      runtime: "python3.11"
      memory_mb: 512
      timeout_seconds: 300
      aws:
        role_arn: "arn:aws:iam::123456789012:role/lambda-role"
"""
RUST_IN_LAMBDA = """\
source:
  custom_reader: "rust/target/release/libcsv_reader.so:create_reader"
  files: ["data.csv"]
  engine:
    cloud_execution:
      enabled: true
      provider: "aws"
      runtime: "provided.al2"  # Custom runtime for Rust
      memory_mb: 1024
      timeout_seconds: 600
"""
PYTHON_IN_GCP = """\
source:
  custom_reader: "plugins/my_reader.py:MyReader"
  engine:
    cloud_execution:
      enabled: true
      provider: "gcp"
      runtime: "python311"
      gcp:
        project_id: "my-project"
        region: "us-central1"
"""
SANDBOX = """\
source:
  custom_reader: "plugins/my_reader.py:MyReader"
plugins:
  sandbox:
    enabled: true
    cpu_limit: 0.5
    memory_limit: "512m"
    network_disabled: true
    timeout: 300
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
