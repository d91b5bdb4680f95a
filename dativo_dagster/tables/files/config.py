"""What a user says of a folder of Parquet files, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dativo_dagster.config.location import location as located

if TYPE_CHECKING:
    from dativo_dagster.config.job import TableSpec


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
    """Give the absolute URI of the table's folder, without a slash at the end, as `config.location` has it."""
    return located(
        spec.identifier, spec.contract, path=config.path, warehouse=config.warehouse, connection=config.connection
    )
