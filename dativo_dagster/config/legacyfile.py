"""A job file of the earlier system, as models. `config.legacy` rewrites it in the short form of `config.jobfile`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from dativo_dagster.config.blocks import Name, OpenModel, word
from dativo_dagster.config.jobfile import CommonFile, RetryFile
from dativo_dagster.config.streamfile import IncrementalFile, PlaceFile, ValidationFile


class LegacyFiles(OpenModel):
    """One file, sheet or table of a source of the earlier system."""

    path: str | None = Field(default=None, validation_alias=AliasChoices("path", "file"))
    object: str | None = None


class LegacySource(OpenModel):
    """A source of the earlier system, once its recipe lies below it."""

    type: str
    description: str | None = ""
    credentials: dict[str, Any] | None = None
    objects: list[str] | None = None
    files: list[LegacyFiles] | None = None
    sheets: list[dict[str, Any]] | None = None
    tables: list[dict[str, Any]] | None = None
    incremental: IncrementalFile | None = None
    rate_limits: dict[str, Any] | None = None
    engine: dict[str, Any] | None = None
    dsn: str | None = None
    connection: dict[str, Any] | None = None
    custom_reader: str | None = None
    place: Annotated[PlaceFile, word(PlaceFile, "launcher")] | None = None


class LegacyTarget(OpenModel):
    """A target of the earlier system, once its recipe lies below it."""

    type: str
    description: str | None = ""
    catalog: str | dict[str, Any] | None = None
    branch: str | None = None
    warehouse: str | None = None
    file_format: str | None = None
    partitioning: list[str] | None = None
    engine: dict[str, Any] | None = None
    connection: dict[str, Any] | None = None
    markdown_kv_storage: dict[str, Any] | None = None
    parquet_target_size_mb: float | None = Field(default=None, gt=0)
    custom_writer: str | None = None
    place: Annotated[PlaceFile, word(PlaceFile, "launcher")] | None = None


class LegacyJobFile(CommonFile):
    """A job of the earlier system, plus what both forms may say.

    ``source`` and ``target`` are laid over a recipe before they are checked as `LegacySource` and `LegacyTarget`.
    """

    tenant_id: Name
    source_connector: str | None = Field(default=None, description="A built-in recipe, when there is no path to one.")
    target_connector: str | None = Field(default=None, description="A built-in recipe, when there is no path to one.")
    source_connector_path: str | None = Field(default=None, description="The recipe of the source.")
    target_connector_path: str | None = Field(default=None, description="The recipe of the target.")
    asset: str | None = None
    asset_path: str = Field(description="The contract.")
    source: dict[str, Any] | None = None
    target: dict[str, Any] | None = None
    schema_validation_mode: Literal["strict", "warn"] = "strict"
    validation: Annotated[ValidationFile, word(ValidationFile, "mode")] | None = None
    retry_config: RetryFile = RetryFile()
