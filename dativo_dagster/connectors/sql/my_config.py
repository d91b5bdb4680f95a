"""Options of MySQL and MariaDB."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dativo_dagster.connectors.sql.config import SqlConfig


class MyConfig(SqlConfig):
    """Options of the source."""

    zero_dates: Literal["keep", "null"] = Field(
        default="keep", description="0000-00-00 and 2024-00-01: keep lets validation refuse those rows; null reads NULL"
    )
