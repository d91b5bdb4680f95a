"""One moment for all streams of a run: what a connector's ``open_session`` gave, kept open until the run ends.

A connector whose options say ``snapshot: job`` hands it to each of its readers as `SourceContext.session`. Streams with
the same connector and address share one.
"""

from __future__ import annotations

import logging
import threading
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dativo_dagster import registry
from dativo_dagster.pipeline.assemble import Openers, open_reader, open_table
from dativo_dagster.telemetry import event
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from typing_extensions import Self

    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.protocols import Reader, Table

logger = logging.getLogger(__name__)


class Sessions:
    """The sessions of one run. Each is opened when a stream first asks for it; several threads may ask.

    ``id`` tells whether two steps of a run were served by the same ones: those of another process are others.
    """

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self._open: dict[str, Any] = {}
        self._exits = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Open nothing yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close all; one that cannot be closed changes nothing of what was committed, and is logged."""
        try:
            self._exits.__exit__(kind, error, at)
        except Exception as broken:  # noqa: BLE001 - the server ends the session in any case
            event(logger, "session_not_closed", f"a snapshot was not closed: {broken}", level=logging.WARNING)
        self._open.clear()

    def of(self, job: Job, stream: JobStream) -> Any:
        """Give the session that a stream reads in; None where it opens its own connections.

        Raises:
            ConfigurationError: ``SNAPSHOT_NOT_SHARED``: the connector has no snapshot that streams could share.
        """
        if not shares(stream):
            return None
        source = stream.source
        module = registry.ready("connectors", source.connector)
        if not hasattr(module, "open_session"):
            raise _refused(job, stream, f"{source.connector} cannot read several streams at one moment")
        config = module.Config.model_validate(dict(source.options))
        key = repr((source.connector, sorted(config.address().items(), key=repr)))
        with self._lock:
            if key not in self._open:
                self._open[key] = self._exits.enter_context(module.open_session(config))
            if getattr(self._open[key], "shared", True) is None:
                raise _refused(job, stream, f"this {source.connector} server shares no snapshot between connections")
            return self._open[key]

    def reader(self, job: Job, stream: JobStream) -> AbstractContextManager[Reader]:
        """Open the reader of a stream, in its session when it has one."""
        return open_reader(job, stream, self.of(job, stream))

    def openers(self, table: Callable[[Job, JobStream], Table] = open_table) -> Openers:
        """Give openers whose readers share these sessions."""
        return Openers(reader=self.reader, table=table)


def _refused(job: Job, stream: JobStream, why: str) -> ConfigurationError:
    return ConfigurationError(f"{job.path}: stream {stream.name!r}: {why}; drop `snapshot: job`", "SNAPSHOT_NOT_SHARED")


def shares(stream: JobStream) -> bool:
    """Say whether a stream is to be read at one moment with the others of its run."""
    return not stream.source.plugin and stream.source.options.get("snapshot") == "job"
