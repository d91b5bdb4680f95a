"""One state of the database for many connections: the holder keeps a transaction open, the others join it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dativo_dagster.connectors.sql.base import Connection, Dialect, Relation


@dataclass
class Session:
    """The transaction that others join. ``shared`` is None where the database has no such thing."""

    holder: Connection
    shared: Any
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, dialect: Dialect) -> Session:
        """Start it."""
        holder = dialect.connect()
        try:
            return cls(holder, dialect.share(holder))
        except BaseException as error:
            holder.close()
            if isinstance(error, Exception):
                raise dialect.translate(error, "session") from error
            raise

    def pin(self, dialect: Dialect, relation: Relation) -> None:
        """Keep others from moving the rows of a relation that is read in parts, where that may happen."""
        if hasattr(dialect, "pin"):
            with self.lock:
                dialect.pin(self.holder, relation)

    def close(self) -> None:
        """End it."""
        self.holder.close()


@contextmanager
def opened(dialect: Dialect) -> Iterator[Session]:
    """Hold one session for all streams of a job."""
    session = Session.open(dialect)
    try:
        yield session
    finally:
        session.close()
