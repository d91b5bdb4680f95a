"""What a plugin is configured with, and the host's own configuration under its old import paths.

Plain classes, see `settings.Settings`: built with keywords, read by attribute, and what was not given is None. The
names of the fields are those of job, recipe and asset files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from dativo_ingest import doorways
from dativo_ingest.settings import Settings


class SourceConfig(Settings):
    """What a reader gets: a job's `source`, its recipe included, variables and secrets already in place.

    ``incremental["state_path"]`` is a file in which the reader may remember how far it came; see
    `validator.IncrementalStateManager`.
    """

    _secret: ClassVar[frozenset[str]] = frozenset({"credentials", "connection", "dsn"})

    type: str | None = None
    description: str | None = None
    connection: dict[str, Any] | None = None
    credentials: dict[str, Any] | None = None
    objects: list[str] | None = None
    files: list[dict[str, Any]] | None = None
    sheets: list[dict[str, Any]] | None = None
    tables: list[dict[str, Any]] | None = None
    incremental: dict[str, Any] | None = None
    rate_limits: dict[str, Any] | None = None
    engine: dict[str, Any] | None = None
    dsn: str | None = None
    custom_reader: str | None = None


class TargetConfig(Settings):
    """What a writer gets: a job's `target`, its recipe included, variables and secrets already in place."""

    _secret: ClassVar[frozenset[str]] = frozenset({"credentials", "connection"})

    type: str | None = None
    description: str | None = None
    catalog: str | None = None
    branch: str | None = None
    warehouse: str | None = None
    file_format: str | None = None
    partitioning: list[str] | None = None
    connection: dict[str, Any] | None = None
    credentials: dict[str, Any] | None = None
    engine: dict[str, Any] | None = None
    markdown_kv_storage: dict[str, Any] | None = None
    parquet_target_size_mb: int | None = None
    custom_writer: str | None = None


class TeamModel(Settings):
    """Who owns an asset."""

    owner: str | None = None
    roles: list[dict[str, Any]] | None = None


class AssetDefinition(Settings):
    """What a writer gets of a contract: ``schema`` lists its fields as ``{"name", "type", "required", ...}``."""

    _models: ClassVar[Mapping[str, type[Settings]]] = {"team": TeamModel, "compliance": Settings, "finops": Settings}

    name: str | None = None
    version: str | None = None
    id: str | None = None
    apiVersion: str | None = None  # noqa: N815 - a key of the file
    kind: str | None = None
    status: str | None = None
    domain: str | None = None
    dataProduct: str | None = None  # noqa: N815 - a key of the file
    tenant: str | None = None
    description: Any = None
    tags: list[str] | None = None
    source_type: str | None = None
    object: str | None = None
    target: dict[str, Any] | None = None
    schema: list[dict[str, Any]] | None = None
    team: TeamModel | None = None
    compliance: Settings | None = None
    finops: Settings | None = None
    data_quality: dict[str, Any] | None = None
    change_management: dict[str, Any] | None = None

    @staticmethod
    def from_yaml(path: str | Path, validate_schema: bool = False) -> AssetDefinition:  # noqa: ARG004, FBT001, FBT002 - kept signature
        """Load a contract file of any form; raises as `JobConfig.from_yaml` does."""
        return AssetDefinition(**doorways.asset(Path(path)))


class RetryConfig(Settings):
    """When a failed step runs again; delays in seconds."""

    max_retries: int = 3
    retry_delay_seconds: int = 5
    initial_delay_seconds: float | None = None
    max_delay_seconds: float = 300
    backoff_multiplier: float = 2.0
    retryable_exit_codes: tuple[int, ...] = (1, 2)
    retryable_error_patterns: list[str] | None = None
    retryable_errors: list[str] | None = None


class ScheduleConfig(Settings):
    """When a runner starts a job: ``cron``, or every ``interval_seconds``."""

    name: str | None = None
    config: str | None = None
    cron: str | None = None
    interval_seconds: int | None = None
    enabled: bool = True
    timezone: str = "UTC"
    max_concurrent_runs: int = 1
    tags: dict[str, str] | None = None


class CatalogConfig(Settings):
    """Where metadata and lineage go after a run."""

    _secret: ClassVar[frozenset[str]] = frozenset({"connection"})

    type: str | None = None
    connection: dict[str, Any] | None = None
    database: str | None = None
    table_name: str | None = None
    push_lineage: bool = True
    push_metadata: bool = True


class PluginSandboxConfig(Settings):
    """How a plugin is confined; ``timeout`` in seconds, ``cpu_limit`` as a share of one core."""

    enabled: bool = True
    cpu_limit: float | None = None
    memory_limit: str | None = None
    network_disabled: bool = True
    timeout: int = 300


class PluginConfig(Settings):
    """A job's `plugins` block."""

    _models: ClassVar[Mapping[str, type[Settings]]] = {"sandbox": PluginSandboxConfig}

    sandbox: PluginSandboxConfig | None = None


class ConnectorRecipe(Settings):
    """What jobs with one connector have in common."""

    _secret: ClassVar[frozenset[str]] = frozenset({"credentials", "connection_template"})

    name: str | None = None
    type: str | None = None
    roles: list[str] | None = None
    description: str | None = None
    default_engine: dict[str, Any] | None = None
    credentials: dict[str, Any] | None = None
    incremental: dict[str, Any] | None = None
    rate_limits: dict[str, Any] | None = None
    connection_template: dict[str, Any] | None = None
    catalog: str | None = None
    file_format: str | None = None
    partitioning_default: list[str] | None = None


class JobConfig(Settings):
    """A job file."""

    @staticmethod
    def from_yaml(path: str | Path, validate_schema: bool = True) -> Any:  # noqa: ARG004, FBT001, FBT002 - kept signature
        """Load a job file as the platform's own job; it is always checked, whatever ``validate_schema`` says.

        Raises:
            ConfigurationError: The file is wrong, or the platform is not installed.
        """
        return doorways.job(Path(path))


class RunnerConfig(Settings):
    """A runner file."""

    @staticmethod
    def from_yaml(path: str | Path) -> Any:
        """Load a runner file as the platform's own; raises as `JobConfig.from_yaml` does."""
        return doorways.runner(Path(path))
