"""What a plugin is configured with, and the host's own configuration under its old import paths.

Plain classes: built with keywords, read by attribute, and whatever was not given is None. A key that no field has is
kept and can be read like one. ``model_dump`` and its sisters are those that users of pydantic call.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from dativo_ingest.exceptions import ConfigurationError

C = TypeVar("C", bound="Settings")


class Settings:
    """Named values; a subclass says which there are, by annotated defaults."""

    _secret: ClassVar[frozenset[str]] = frozenset()
    _models: ClassVar[Mapping[str, type[Settings]]] = {}

    def __init__(self, **values: Any) -> None:
        for name, default in self._defaults().items():
            setattr(self, name, copy.copy(values.pop(name, default)))
        for name, value in values.items():
            setattr(self, name, value)
        for name, model in self._models.items():
            value = getattr(self, name)
            if isinstance(value, Mapping):
                setattr(self, name, model(**value))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        names = [name for base in reversed(cls.__mro__) for name in base.__dict__.get("__annotations__", {})]
        return {name: getattr(cls, name) for name in names if not name.startswith("_")}

    def get(self, key: str, default: Any = None) -> Any:
        """Give one value, or ``default`` when it is not set."""
        value = getattr(self, key, None)
        return default if value is None else value

    def model_dump(self, *, exclude_none: bool = False, **_: Any) -> dict[str, Any]:
        """Give all values as a dict of its own, nested ones included."""
        plain = {name: _dumped(value, exclude_none=exclude_none) for name, value in vars(self).items()}
        return {k: v for k, v in plain.items() if v is not None} if exclude_none else plain

    def dict(self, **options: Any) -> dict[str, Any]:
        """Do what `model_dump` does, by its name of older days."""
        return self.model_dump(**options)

    @classmethod
    def model_validate(cls: type[C], values: Mapping[str, Any]) -> C:
        """Make it from a mapping."""
        return cls(**values)

    def model_copy(self: C, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> C:
        """Give a copy with some values replaced."""
        made = copy.deepcopy(self) if deep else copy.copy(self)
        vars(made).update(update or {})
        return made

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # its values may change

    def __repr__(self) -> str:
        """Show what is set; of values that may hold secrets only that they are there."""
        shown = ", ".join(
            f"{name}={'***' if name in self._secret else repr(value)}"
            for name, value in vars(self).items()
            if value is not None
        )
        return f"{type(self).__name__}({shown})"


def _dumped(value: Any, *, exclude_none: bool) -> Any:
    if isinstance(value, Settings):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, Mapping):
        return {k: _dumped(v, exclude_none=exclude_none) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dumped(v, exclude_none=exclude_none) for v in value]
    return value


class SourceConfig(Settings):
    """What a reader gets: a job's `source`, its recipe included, variables and secrets already in place.

    ``incremental["state_path"]`` is a file in which the reader may remember how far it came; see
    `validator.IncrementalStateManager`.
    """

    _secret = frozenset({"credentials", "connection", "dsn"})

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

    _secret = frozenset({"credentials", "connection"})

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

    _models = {"team": TeamModel, "compliance": Settings, "finops": Settings}

    name: str | None = None
    version: str | None = None
    id: str | None = None
    apiVersion: str | None = None
    kind: str | None = None
    status: str | None = None
    domain: str | None = None
    dataProduct: str | None = None
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


class RetryConfig(Settings):
    """When a failed step runs again; delays in seconds."""

    max_retries: int = 3
    retry_delay_seconds: int = 5
    initial_delay_seconds: float | None = None
    max_delay_seconds: float = 300
    backoff_multiplier: float = 2.0
    retryable_exit_codes: list[int] = [1, 2]
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

    _secret = frozenset({"connection"})

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

    _models = {"sandbox": PluginSandboxConfig}

    sandbox: PluginSandboxConfig | None = None


class ConnectorRecipe(Settings):
    """What jobs with one connector have in common."""

    _secret = frozenset({"credentials", "connection_template"})

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
    """A job file as it is written. `from_yaml` gives the platform's own, complete job."""

    @staticmethod
    def from_yaml(path: str | Path, validate_schema: bool = True) -> Any:  # noqa: ARG004, FBT001, FBT002 - kept signature
        """Load a job file; always checked, whatever ``validate_schema`` says.

        Raises:
            ConfigurationError: The file is wrong, or the platform is not installed.
        """
        try:
            from dativo_dagster.config.load import load_job
        except ModuleNotFoundError as error:
            raise no_platform("a job file", error) from error
        return load_job(Path(path))


class RunnerConfig(Settings):
    """A runner file as it is written. `from_yaml` gives the platform's own."""

    @staticmethod
    def from_yaml(path: str | Path) -> Any:
        """Load a runner file.

        Raises:
            ConfigurationError: The file is wrong, or the platform is not installed.
        """
        try:
            from dativo_dagster.config.runner import load_runner
        except ModuleNotFoundError as error:
            raise no_platform("a runner file", error) from error
        return load_runner(Path(path))


def no_platform(what: str, error: ModuleNotFoundError) -> ConfigurationError:
    """Give the error for something that only the platform can do."""
    if (error.name or "").partition(".")[0] != "dativo_dagster":
        raise error
    message = f"{what} needs the platform, and only the SDK is installed: pip install dativo-dagster"
    return ConfigurationError(message, "PLATFORM_MISSING")
