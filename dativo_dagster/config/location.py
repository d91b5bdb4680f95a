"""Where a table of files lies, from what a job says of it. Tables of files and targets of plugins call it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dativo_dagster.config.connection import gcs_settings, s3_settings

if TYPE_CHECKING:
    from dativo_dagster.config.contract import Contract

EMBEDDED_ENV = "DATIVO_WAREHOUSE"
EMBEDDED_FOLDER = ".dativo/warehouse"


class FolderOptions(BaseModel):
    """Options of a target whose tables are folders."""

    model_config = ConfigDict(extra="forbid")

    path: str | None = Field(default=None, description="The table's own folder: local, s3://bucket/... or gs://...")
    warehouse: str | None = Field(
        default=None, description="A folder of tables, each in `shop/orders` for the table shop.orders. Or give `path`."
    )
    connection: dict[str, Any] = Field(default_factory=dict, description="How to reach the object store.")

    @model_validator(mode="after")
    def _one_place(self) -> FolderOptions:
        if self.path and self.warehouse:
            raise ValueError("path and warehouse are two places; give one")
        return self

    def location(self, identifier: str, contract: Contract) -> str:
        """Give the absolute URI of a table's folder, without a slash at the end."""
        return location(identifier, contract, path=self.path, warehouse=self.warehouse, connection=self.connection)


def location(
    identifier: str, contract: Contract, *, path: str | None, warehouse: str | None, connection: Mapping[str, Any]
) -> str:
    """Give the absolute URI of a table's folder, without a slash at the end.

    It is ``path``; or the identifier's parts below ``warehouse``; or ``{domain}/{data product}/{table}`` in the bucket
    of ``connection``, as the earlier system had it; or the identifier's parts below the folder that the environment
    variable ``DATIVO_WAREHOUSE`` names, else below ``.dativo/warehouse``. Relative paths start at the working
    directory.
    """
    if path:
        return _absolute(path)
    bucket = _bucket(connection)
    if bucket and not warehouse:
        last = identifier.rpartition(".")[2]
        return f"{bucket}/{contract.domain or 'default'}/{contract.data_product or 'default'}/{last}"
    home = warehouse or os.environ.get(EMBEDDED_ENV) or EMBEDDED_FOLDER
    return "/".join((_absolute(home), *identifier.split(".")))


def _bucket(connection: Mapping[str, Any]) -> str | None:
    if not connection:
        return None
    if "gcs" in connection:
        bucket = gcs_settings(connection).bucket
        return bucket and f"gs://{bucket}"
    bucket = s3_settings(connection).bucket
    return bucket and f"s3://{bucket}"


def _absolute(place: str) -> str:
    return place.rstrip("/") if "://" in place else f"file://{Path(place).expanduser().absolute()}"
