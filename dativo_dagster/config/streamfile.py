"""What people write of one table of a job, as models: where rows come from and go, which are new, which are good."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from dativo_dagster.config.blocks import FileModel, Lag, Name, OneOrMany, OpenModel, TableName, word
from dativo_dagster.config.cron import check_timezone
from dativo_dagster.config.job import (  # noqa: TC001 - pydantic reads them
    Every,
    MissingState,
    NullCursor,
    Partition,
    ValidationMode,
    WriteMode,
)
from dativo_dagster.config.partitioning import parse_partition

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
ContractFile = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}], "title": "Contract"})]


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
