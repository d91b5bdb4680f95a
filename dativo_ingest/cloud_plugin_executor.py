"""Old import path of cloud execution; the configuration is read here, and only a job runs a plugin by it.

A function is a place of the platform, which a job names by ``engine.cloud_execution`` or ``place``.
`create_cloud_executor` raises ``PLACE_UNSUPPORTED``; nothing runs here that was meant to run there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from dativo_ingest.exceptions import SandboxError

PROVIDERS = ("aws", "gcp")


@dataclass
class CloudExecutionConfig:
    """The block ``engine.cloud_execution`` of a job's source or target."""

    enabled: bool = False
    provider: str = "aws"
    runtime: str = "python3.11"
    memory_mb: int = 512
    timeout_seconds: int = 300
    aws_config: dict[str, Any] = field(default_factory=dict)
    gcp_config: dict[str, Any] = field(default_factory=dict)
    environment_variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> CloudExecutionConfig:
        """Read the block; ``aws`` and ``gcp`` in it become ``aws_config`` and ``gcp_config``."""
        gcp = dict(config.get("gcp") or {})
        return cls(
            enabled=bool(config.get("enabled", False)),
            provider=str(config.get("provider", "aws")).lower(),
            runtime=config.get("runtime", "python3.11"),
            memory_mb=config.get("memory_mb", 512),
            timeout_seconds=config.get("timeout_seconds", 300),
            aws_config=dict(config.get("aws") or {}),
            gcp_config={"region": "us-central1", **gcp} if gcp else {},
            environment_variables=dict(config.get("environment_variables") or {}),
        )


def create_cloud_executor(config: CloudExecutionConfig) -> NoReturn:
    """Refuse.

    Raises:
        ValueError: The provider is unknown.
        SandboxError: ``PLACE_UNSUPPORTED``.
    """
    if config.provider not in PROVIDERS:
        raise ValueError(f"unsupported cloud provider {config.provider!r}; known are {', '.join(PROVIDERS)}")
    raise SandboxError(
        f"a plugin is to run in a function of {config.provider}, and only a job can do that: name the plugin in a job "
        "with `engine.cloud_execution`, or set `cloud_execution.enabled: false`",
        "PLACE_UNSUPPORTED",
        {"provider": config.provider},
        retryable=False,
    )
