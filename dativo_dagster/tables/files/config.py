"""What a user says of a folder of Parquet files, and where it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from dativo_dagster.config.job import TableSpec

EMBEDDED_ENV = "DATIVO_WAREHOUSE"
EMBEDDED_FOLDER = ".dativo/warehouse"


class Config(BaseModel):
    """Options of a target of Parquet files."""

    model_config = ConfigDict(extra="forbid")

    path: str | None = Field(default=None, description="The table's own folder: local, s3://bucket/... or gs://...")
    warehouse: str | None = Field(
        default=None, description="A folder of tables, each in `shop/orders` for the table shop.orders. Or give `path`."
    )
    connection: dict[str, Any] = Field(default_factory=dict, description="How to reach the object store.")

    @model_validator(mode="after")
    def _one_place(self) -> Config:
        if self.path and self.warehouse:
            raise ValueError("path and warehouse are two places; give one")
        return self


def location(config: Config, spec: TableSpec) -> str:
    """Give the absolute URI of the table's folder, without a slash at the end.

    It is `path`; or the identifier's parts below `warehouse`; or ``{domain}/{data product}/{table}`` in the bucket of
    `connection`, as the earlier system had it; or the identifier's parts below the folder that the environment
    variable ``DATIVO_WAREHOUSE`` names, else below ``.dativo/warehouse``. Relative paths start at the working
    directory.
    """
    if config.path:
        return _absolute(config.path)
    bucket = _bucket(config.connection)
    if bucket and not config.warehouse:
        contract = spec.contract
        return f"{bucket}/{contract.domain or 'default'}/{contract.data_product or 'default'}/{_last(spec.identifier)}"
    home = config.warehouse or os.environ.get(EMBEDDED_ENV) or EMBEDDED_FOLDER
    return "/".join((_absolute(home), *spec.identifier.split(".")))


def _bucket(connection: Mapping[str, Any]) -> str | None:
    from dativo_dagster.config.connection import gcs_settings, s3_settings

    if not connection:
        return None
    if "gcs" in connection:
        bucket = gcs_settings(connection).bucket
        return bucket and f"gs://{bucket}"
    bucket = s3_settings(connection).bucket
    return bucket and f"s3://{bucket}"


def _absolute(place: str) -> str:
    return place.rstrip("/") if "://" in place else Path(place).expanduser().absolute().as_uri()


def _last(identifier: str) -> str:
    return identifier.rpartition(".")[2]
