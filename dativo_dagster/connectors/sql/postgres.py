"""PostgreSQL as a source: tables, views and queries through binary COPY, in windows and on several connections."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dativo_dagster.connectors.sql.config import SqlConfig
from dativo_dagster.connectors.sql.pg_dialect import PgDialect
from dativo_dagster.connectors.sql.reader import SqlReader
from dativo_dagster.connectors.sql.session import Session, opened

if TYPE_CHECKING:
    from dativo_dagster.config.job import SourceContext


class Config(SqlConfig):
    """Options of the source."""


class Reader(SqlReader):
    """Reads PostgreSQL."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        super().__init__(config, context, PgDialect(config))


def open_session(config: Config) -> AbstractContextManager[Session]:
    """Hold one state of the database for all streams of a job."""
    return opened(PgDialect(config))
