"""MySQL and MariaDB as sources: tables, views and queries, in windows and on several connections."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dativo_dagster.connectors.sql.my_config import MyConfig
from dativo_dagster.connectors.sql.my_dialect import MyDialect
from dativo_dagster.connectors.sql.reader import SqlReader
from dativo_dagster.connectors.sql.session import Session, opened

if TYPE_CHECKING:
    from dativo_dagster.config.job import SourceContext

SESSIONS = 4
"""How many sessions see the one state that a job reads, if the server can have so many see the same."""


class Config(MyConfig):
    """Options of the source."""


class Reader(SqlReader):
    """Reads MySQL and MariaDB."""

    def __init__(self, config: Config, context: SourceContext) -> None:
        super().__init__(config, context, MyDialect(config, config.splits or context.parallelism))


def open_session(config: Config) -> AbstractContextManager[Session]:
    """Hold one state of the database for all streams of a job."""
    return opened(MyDialect(config, config.splits or SESSIONS))
