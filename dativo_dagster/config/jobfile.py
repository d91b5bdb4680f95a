"""What people write in a job file, as models. `config.load` turns them into a `Job`; the JSON Schema is made from them.

The short form, ours::

    name: world_cities          # the file's name when left out
    tenant: demo                # "default" when left out
    description: Cities of the world with at least 1,000 inhabitants.
    owners: [team:geo]
    tags: {domain: geo}
    source:
      connector: csv            # the rest of the block are options of that connector
      files: [data/cities.csv.gz]
      incremental: file_modified_time
    target:
      connector: iceberg        # the rest of the block are options of that table format
      table: geo.cities
      mode: append              # or overwrite, overwrite_partitions, merge, scd2
      partitioning: [country, day(created_at), "bucket(16, id)"]
    contract: contracts/cities.yaml        # or the contract itself
    validation: quarantine      # or {mode: strict, max_rejected: 100, max_rejected_percent: 1}
    schedule: {cron: "0 3 * * *", timezone: Europe/Berlin}
    retry: {max_retries: 3}

Several streams share what stands at the top; what a stream says goes over it, one level deep::

    source: {connector: csv}
    target: {connector: iceberg}
    streams:
      - {name: a, source: {files: [a.csv]}, target: {table: geo.a}, contract: contracts/a.yaml}
      - {name: b, source: {files: [b.csv]}, target: {table: geo.b}, contract: contracts/b.yaml}

The form of the earlier system names recipes (``source_connector_path``, or ``source_connector`` alone for a built-in
one) and an ``asset_path``; see `config.legacyfile`. Both forms are told apart by these keys (`config.kinds`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from dativo_dagster.config.blocks import FileModel, Name, OpenModel, Size, word
from dativo_dagster.config.cron import check_cron, check_timezone
from dativo_dagster.config.streamfile import (
    ContractFile,
    PartitionsFile,
    SourceFile,
    StreamFile,
    TargetFile,
    ValidationFile,
)


class ScheduleFile(FileModel):
    """When the job runs by itself."""

    cron: str = Field(description="Five fields, minute to weekday, or a word such as @daily.")
    timezone: str = Field(default="UTC", description="IANA name of the zone that the cron is meant in.")
    enabled: bool = True

    _cron = field_validator("cron")(check_cron)
    _timezone = field_validator("timezone")(check_timezone)


class RetryFile(FileModel):
    """When a failed step runs again: exponential delays, capped. Errors that no retry mends are not retried."""

    max_retries: int | None = Field(default=None, ge=0, le=100, description="3 when left out.")
    max_attempts: int | None = Field(default=None, ge=0, le=100, description="The same, as old schemas call it.")
    initial_delay_seconds: float | None = Field(default=None, ge=0, le=86_400)
    max_delay_seconds: float = Field(default=300.0, ge=0, le=86_400)
    backoff_multiplier: float = Field(default=2.0, ge=1, le=100)
    retry_delay_seconds: float = Field(default=5.0, ge=0, le=86_400, description="Old name of `initial_delay_seconds`.")
    retryable_exit_codes: list[int] = Field(default=[1, 2], description="Of the earlier system; errors say it now.")
    retryable_error_patterns: list[str] | None = Field(
        default=None, description="Of the earlier system, which searched its output; errors say it now."
    )
    retryable_errors: list[str] | None = Field(default=None, description="Of the earlier system, which never read it.")


class LoggingFile(FileModel):
    """What is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    redaction: bool = Field(default=False, description="Mask what looks like a secret, too.")


class FinopsFile(OpenModel):
    """Who pays."""

    cost_center: str | None = None
    business_tags: list[str] | None = None
    project: str | None = None
    environment: str | None = None


class GovernanceFile(OpenModel):
    """What the job says over its contract; an empty owner removes the owner's tag."""

    retention_days: int | None = Field(default=None, ge=0)
    owner: str | None = None


class SandboxFile(FileModel):
    """Plugins without a place of their own run in a container, and how much they may use there."""

    enabled: bool = True
    cpu_limit: float | None = Field(default=None, gt=0, le=1, description="A share of one core.")
    memory_limit: Size | None = Field(default=None, description="Such as 512m or 2g.")
    network_disabled: bool = True
    timeout: int = Field(default=300, ge=1, description="In seconds.")
    seccomp_profile: str | None = Field(default=None, description="A file instead of the profile that comes with us.")
    container_image: str | None = Field(default=None, description="An image that the engine has.")


class PluginsFile(FileModel):
    """How plugins run."""

    sandbox: SandboxFile | None = None


class CatalogFile(FileModel):
    """Where metadata and lineage are told after a run. It is not the catalog of an Iceberg table."""

    type: Literal["openmetadata", "aws_glue", "databricks_unity", "nessie"]
    connection: dict[str, Any]
    database: str | None = None
    table_name: str | None = None
    push_lineage: bool = True
    push_metadata: bool = True


class CommonFile(FileModel):
    """What both forms of a job may say."""

    schema_ref: str | None = Field(default=None, alias="$schema", description="Where editors find this schema.")
    name: Name | None = Field(default=None, description="Left out: the name of the file.")
    description: str = ""
    environment: str | None = Field(default=None, description="A label, such as `production`.")
    owners: list[str] = Field(default=[], description="People by email, teams as `team:name`.")
    tags: dict[str, str] = Field(default={}, description="Labels of the assets.")
    schedule: Annotated[ScheduleFile, word(ScheduleFile, "cron")] | None = None
    logging: LoggingFile = LoggingFile()
    catalog: CatalogFile | None = None
    plugins: PluginsFile | None = None
    classification_overrides: dict[str, str] = Field(
        default={}, description="Class by column; `default` is that of the table."
    )
    finops: FinopsFile | None = None
    governance_overrides: GovernanceFile | None = None
    parallelism: int = Field(default=0, ge=0, le=256, description="Units read at once; 0 leaves it to the machine.")


class JobFile(CommonFile):
    """A job in the short form."""

    tenant: Name = Field(default="default", description="Whose data it is.")
    source: SourceFile = SourceFile()
    target: TargetFile = TargetFile()
    contract: ContractFile = Field(default=None, description="A file, or the contract itself.")
    validation: Annotated[ValidationFile, word(ValidationFile, "mode")] = ValidationFile()
    partitions: PartitionsFile | None = None
    retry: RetryFile = RetryFile()
    streams: list[StreamFile] | None = Field(default=None, min_length=1, description="Several tables in one job.")

    @field_validator("retry")
    @classmethod
    def _one_count(cls, value: RetryFile) -> RetryFile:
        if value.max_retries is not None and value.max_attempts is not None:
            raise ValueError("say `max_retries` or `max_attempts`, not both")
        return value
