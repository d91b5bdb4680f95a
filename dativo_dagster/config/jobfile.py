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
one) and an ``asset_path``; see `config.legacyfile`. Both forms are told apart by these keys.

A YAML file in a folder of jobs is taken for a job when it has one of `JOB_KEYS` at the top and none of `OTHER_KEYS`,
when it has one of `LEGACY_KEYS`, or when it names the job schema in ``$schema``. Contracts, recipes, runner files and
data may lie beside jobs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
)

from dativo_dagster.config.cron import check_cron, check_timezone
from dativo_dagster.config.job import (  # noqa: TC001 - pydantic reads them
    Every,
    MissingState,
    NullCursor,
    Partition,
    ValidationMode,
    WriteMode,
)
from dativo_dagster.config.partitioning import parse_partition
from dativo_dagster.config.places import mebibytes

LEGACY_KEYS = frozenset(
    {
        "tenant_id",
        "source_connector",
        "target_connector",
        "source_connector_path",
        "target_connector_path",
        "asset_path",
    }
)
JOB_KEYS = frozenset({"source", "target", "streams", "contract"})
OTHER_KEYS = frozenset({"schema", "asset", "apiVersion", "default_engine", "runner", "orchestrator"})

Strategy = Literal[
    "full_refresh",
    "incremental",
    "file_modified_time",
    "spreadsheet_modified_time",
    "updated_at",
    "updated_after",
    "created",
    "cdc",
]
Compression = Literal["zstd", "snappy", "gzip", "lz4", "brotli", "none"]
_LONGEST_NAME = 200
_NAME = r"[\w@][\w .@+:-]*"
_TABLE = r"[\w-]+(\.[\w-]+)*"


def _name(text: str) -> str:
    if len(text) > _LONGEST_NAME or not re.fullmatch(_NAME, text):
        raise ValueError(f"{text[:80]!r} is no name; use letters, digits, blanks and . _ - @ + : after the first")
    return text


def _table(text: str) -> str:
    if len(text) > _LONGEST_NAME or not re.fullmatch(_TABLE, text):
        raise ValueError(f"{text[:80]!r} names no table; use letters, digits, _ and -, with dots between the parts")
    return text


def _lag(value: Any) -> Any:
    """Read a span such as ``90s``, ``5m``, ``2h`` or ``3d`` as seconds; a number is taken as it is."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([smhd]?)", value.strip())
    if not match:
        raise ValueError(f"{value!r} is no span; write a number and s, m, h or d, such as 5m")
    return float(match[1]) * _SECONDS[match[2]]


def _size(text: str) -> str:
    mebibytes(text)  # read again where the container is made
    return text


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
Lag = Annotated[float, BeforeValidator(_lag, json_schema_input_type=str | float), Field(ge=0)]
Size = Annotated[str, AfterValidator(_size)]
OneOrMany = BeforeValidator(
    lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]
)
Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
TableName = Annotated[str, AfterValidator(_table), Field(json_schema_extra={"pattern": f"^{_TABLE}$"})]


def word(model: type[BaseModel], key: str) -> BeforeValidator:
    """Take a word for a block with just ``key``, so that ``validation: warn`` is ``validation: {mode: warn}``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=model.model_fields[key].annotation | model,
    )


class FileModel(BaseModel):
    """A block of a file: unknown keys are mistakes, numbers do for text, and text for numbers."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True, frozen=True)


class OpenModel(FileModel):
    """A block that ends in options which something else checks."""

    model_config = ConfigDict(extra="allow")


class IncrementalFile(FileModel):
    """Which part of the source is new."""

    strategy: Strategy | None = Field(
        default=None, description="How new data is told from old; `full_refresh` reads all of it every time."
    )
    cursor_field: str | None = Field(default=None, description="The column that says when a row was changed.")
    lookback_days: int | None = Field(default=None, ge=0, description="Days before the last run to read again.")
    lookback: Lag | None = Field(
        default=None,
        description="What to read again before the last bound, such as 2h; a number counts in units of the cursor.",
    )
    safe_lag: Lag | None = Field(
        default=None, description="How far behind the source's clock to stop, for transactions that commit late: 5m."
    )
    null_cursor: NullCursor = Field(default="fail", description="What becomes of rows whose cursor is NULL.")
    start: str | int | float | None = Field(default=None, description="The cursor that the first window starts from.")
    on_missing_state: MissingState = Field(
        default="stop",
        description="When the table has rows but no state: stop, recover the cursor from the table's highest value, or "
        "read_all again.",
    )
    state_path: str | None = Field(
        default=None, description="Where plugins of the earlier system keep their state; the table has the truth."
    )


class PlaceFile(OpenModel):
    """Where a plugin runs. All keys that are not listed are options of the place."""

    launcher: str = Field(
        description="`local`, in the process of the run; `process`, in a child process; `docker`, in a container; "
        "`aws_lambda` or `gcp_functions`, in a function of that cloud."
    )


class SourceFile(OpenModel):
    """Where rows come from. All keys that are not listed are options of the connector."""

    connector: str | None = Field(default=None, description="The kind of source.")
    description: str = ""
    incremental: Annotated[IncrementalFile, word(IncrementalFile, "strategy")] | None = None
    custom_reader: str | None = Field(
        default=None, description="A plugin instead: `path.py:Class`, `lib.so:create_reader` or `native:csv_reader`."
    )
    place: Annotated[PlaceFile, word(PlaceFile, "launcher")] | None = Field(
        default=None, description="Where the plugin runs; left out: what suits its kind."
    )


class EvolutionFile(FileModel):
    """Which differences between contract and table a run may apply to the table; the rest refuse the run."""

    add: bool = Field(default=True, description="Add columns that are new in the contract.")
    widen: bool = Field(default=True, description="Widen types, such as int32 to int64.")
    relax: bool = Field(default=True, description="Let columns be NULL that no longer are required.")
    drop: bool = Field(default=False, description="Drop columns that the contract no longer has.")
    rename: dict[str, str] = Field(default={}, description="New name of a column by its old one.")


class HistoryFile(FileModel):
    """Names of the columns that `scd2` adds."""

    valid_from: str = "valid_from"
    valid_to: str = "valid_to"
    is_current: str = "is_current"


class PartitionsFile(FileModel):
    """How a stream is cut into Dagster partitions, which may run in any order and side by side."""

    column: str | None = Field(default=None, description="The column that tells which part a row is in.")
    every: Every | None = Field(default=None, description="The length of a part.")
    start: str | None = Field(default=None, description="Where the first part starts, such as 2024-01-01.")
    end: str | None = Field(default=None, description="Where the last part ends; open when left out.")
    timezone: str = Field(default="UTC", description="IANA name of the zone that days begin in.")
    keys: list[str] | dict[str, str | list[str]] | None = Field(
        default=None, description="Parts by name instead: a value of the column each, or name: [values]."
    )

    _timezone = field_validator("timezone")(check_timezone)


class TargetFile(OpenModel):
    """Where rows go. All keys that are not listed are options of the table format."""

    connector: str | None = Field(default=None, description="The kind of table.")
    description: str = ""
    table: TableName | None = Field(default=None, description="The table with its namespace, such as `geo.cities`.")
    mode: WriteMode = Field(default="append", description="What a run does to the rows that are there.")
    key: Annotated[list[str], OneOrMany] | None = Field(
        default=None, description="Of merge and scd2: the columns that identify a row; the contract's primary key else."
    )
    order_by: str | None = Field(
        default=None, description="Of merge and scd2: of rows with one key, the one with the highest value wins."
    )
    deleted_column: str | None = Field(
        default=None, description="Of merge and scd2: a row where this is true, or not NULL, deletes its key."
    )
    delete_missing: bool = Field(
        default=False, description="Of merge and scd2: delete what a full read of the source no longer has."
    )
    history: HistoryFile | None = Field(default=None, description="Of scd2: names of the columns that it adds.")
    publish: Literal["direct", "audited"] = Field(
        default="direct", description="audited: commit to a branch, run the checks there, then publish it."
    )
    partitioning: list[Annotated[Partition, BeforeValidator(parse_partition, json_schema_input_type=str)]] = Field(
        default=[],
        description="Columns, or transforms of columns: year, month, day, hour, bucket(16, x), truncate(4, x). "
        "`ingest_date` is the UTC date of the run.",
    )
    evolution: EvolutionFile = EvolutionFile()
    file_size_mb: float = Field(default=128, gt=0, le=10_240, description="Size that files grow to, in MiB.")
    compression: Compression = Field(default="zstd", description="Compression inside the Parquet files.")
    custom_writer: str | None = Field(
        default=None,
        description="A plugin that writes: `path.py:Class`, `lib.so:create_writer` or `native:parquet_writer`. With a "
        "`connector` it lays down the files that this table commits, without one it commits by itself.",
    )
    place: Annotated[PlaceFile, word(PlaceFile, "launcher")] | None = Field(
        default=None, description="Where the plugin runs; left out: what suits its kind."
    )


class ValidationFile(FileModel):
    """What becomes of rows that break the contract."""

    mode: ValidationMode = Field(
        default="strict",
        description="strict: any bad row fails the run. warn: rows that can be represented are kept. "
        "quarantine: bad rows go to a dataset beside the table.",
    )
    max_rejected: int | None = Field(default=None, ge=0, description="More rejected rows than this fail the run.")
    max_rejected_percent: float | None = Field(
        default=None, ge=0, le=100, description="The same in percent of all rows."
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


ContractFile = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}], "title": "Contract"})]


class StreamFile(FileModel):
    """One table of a job. What is left out comes from the top of the file."""

    name: Name = Field(description="Tells the streams of a job apart; a new name starts from the beginning.")
    source: SourceFile = SourceFile()
    target: TargetFile = TargetFile()
    contract: ContractFile = Field(default=None, description="A file, or the contract itself.")
    validation: Annotated[ValidationFile, word(ValidationFile, "mode")] | None = None
    partitions: PartitionsFile | None = None


class PartedFile(FileModel):
    """The part of a stream that says how it is cut."""

    partitions: PartitionsFile | None = None


class ValidatedFile(FileModel):
    """The part of a stream, with its defaults filled in, that says what becomes of bad rows."""

    validation: Annotated[ValidationFile, word(ValidationFile, "mode")] = ValidationFile()


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


def is_legacy(data: Mapping[str, Any]) -> bool:
    """Tell the form of a job."""
    return not LEGACY_KEYS.isdisjoint(data)


def is_job(data: Any) -> bool:
    """Tell a job from the other YAML files that lie beside it."""
    if not isinstance(data, Mapping):
        return False
    if is_legacy(data) or "job.schema.json" in str(data.get("$schema", "")):
        return True
    return not JOB_KEYS.isdisjoint(data) and OTHER_KEYS.isdisjoint(data)
