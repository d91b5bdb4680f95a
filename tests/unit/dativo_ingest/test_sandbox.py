from __future__ import annotations

import pytest

from dativo_ingest import sandbox
from dativo_ingest.cloud_plugin_executor import CloudExecutionConfig
from dativo_ingest.config import PluginSandboxConfig


@pytest.mark.parametrize(
    ("path", "mode", "config", "confined"),
    [
        ("a.py:A", "self_hosted", None, False),
        ("a.py:A", "cloud", None, True),
        ("a.so:f", "cloud", None, True),
        ("native:csv_reader", "cloud", None, False),
        ("a.py:A", "cloud", {"enabled": False}, False),
        ("a.py:A", "self_hosted", {"enabled": True}, True),
        ("a.py:A", "self_hosted", {}, True),
        ("a.py:A", "self_hosted", PluginSandboxConfig(), True),
        ("a.py:A", "self_hosted", PluginSandboxConfig(enabled=False), False),
    ],
)
def test_what_is_said_explicitly_wins_and_else_the_mode(path, mode, config, confined):
    assert sandbox.should_sandbox_plugin(path, mode, config) is confined


def test_a_sandbox_keeps_its_settings():
    assert hasattr(sandbox, "docker")
    box = sandbox.PluginSandbox("a.py:A", cpu_limit=0.5, memory_limit="512m")
    assert (box.cpu_limit, box.memory_limit, box.network_disabled, box.timeout) == (0.5, "512m", True, 300)


def test_cloud_execution_has_its_defaults():
    config = CloudExecutionConfig.from_dict({"enabled": True, "provider": "AWS", "aws": {"role_arn": "r"}})
    assert (config.enabled, config.provider, config.runtime) == (True, "aws", "python3.11")
    assert (config.memory_mb, config.timeout_seconds, config.aws_config) == (512, 300, {"role_arn": "r"})
    assert CloudExecutionConfig.from_dict({"gcp": {"project_id": "p"}}).gcp_config == {
        "project_id": "p",
        "region": "us-central1",
    }
    assert not CloudExecutionConfig.from_dict({}).enabled
