"""What a user says of a folder of Parquet files."""

from __future__ import annotations

from dativo_dagster.config.location import FolderOptions


class Config(FolderOptions):
    """Options of a target of Parquet files."""
