"""The examples of the earlier system that put a plugin into a function or a sandbox, as its documents have them.

Each is the beginning of a job: it names no target and no contract, and ends where more settings of its place fit.
"""

from __future__ import annotations

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
# The documents give these as arguments of `PluginSandbox`.
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
