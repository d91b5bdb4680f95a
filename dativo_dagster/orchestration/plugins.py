"""Readers and writers as Dagster resources, for the ops of jobs and for assets written by hand.

A resource says in the UI what it is: connector or plugin, where it runs, with which limits and options. Secrets are not
among them. Options name them, as ``${NAME}`` or ``dg.EnvVar("NAME")``, and the value is put in where it is used;
Dagster stores the configuration of every resource as plain text.

In a job's ops a resource opens the reader or the table of a stream as the job's file has it. An asset written by hand
uses `ReaderResource.read` and `WriterResource.write`; ``examples/hand_written_asset.py`` is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from dativo_dagster.orchestration.hiding import raised_without_secrets, without_secrets
from dativo_dagster.orchestration.libraries import NativeLibraryResource
from dativo_dagster.telemetry import MASK, secrets_in
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from dativo_dagster.config.job import Job, JobStream
    from dativo_dagster.orchestration.byhand import ContractLike
    from dativo_ingest.model import CheckResult, Stream
    from dativo_ingest.protocols import Reader, Table
    from dativo_ingest.result import Progress, StreamResult

__all__ = ["NativeLibraryResource", "ReaderResource", "WriterResource"]


class PluginResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What readers and writers have in common."""

    connector: str = Field(default="", description="A built-in connector or table format, such as `csv`.")
    plugin: str = Field(default="", description="A plugin: `path.py:Class`, `lib.so:name` or `native:csv_reader`.")
    place: str = Field(default="", description="Where the plugin runs; empty: what suits its kind.")
    limits: dict[str, Any] = Field(default_factory=dict, description="Options of the place.")
    options: dict[str, Any] = Field(default_factory=dict, description="What a job's block says; secrets as `${NAME}`.")
    tenant: str = Field(default="", description="Whose secrets `${NAME}` finds; empty: `default`.")
    base: str = Field(default="", description="The folder where relative paths start; empty: the working directory.")
    library: NativeLibraryResource | None = Field(default=None, description="The plugin's library, loaded here.")

    side: ClassVar[str]
    custom: ClassVar[str]

    def __init__(self, **data: Any) -> None:
        """Refuse a secret itself; an ``EnvVar`` below the top becomes the ``${NAME}`` that it means."""
        named = {key: _named(value) if key in {"options", "limits"} else value for key, value in data.items()}
        if any(text not in {"", MASK} and "${" not in text for text in secrets_in(named)):
            raise ConfigurationError(
                f"{type(self).__name__}: a secret stands in its configuration, which Dagster stores as plain text; "
                'write "${NAME}" or dg.EnvVar("NAME"), and set that variable or secret where the code runs',
                "SECRET_IN_RESOURCE",
            )
        super().__init__(**named)

    def _job(self, contract: ContractLike | None, validation: str = "strict", **said: str) -> tuple[Job, JobStream]:
        from dativo_dagster.orchestration.byhand import job_by_hand

        place = {"launcher": self.place, **self.limits} if self.place else None
        own = {"connector": self.connector, self.custom: self.plugin, "place": place, **said}
        block = {**self.options, **{key: value for key, value in own.items() if value}}
        return job_by_hand(
            {self.side: block, "validation": validation}, contract, tenant=self.tenant or "default", base=self.base
        )

    def _ready(self) -> None:
        """See that the library of a plugin which runs here is loaded, and of our version."""
        if self.library is not None:
            self.library.loaded()


class ReaderResource(PluginResource):
    """Reads a source: a built-in connector, or a plugin in the place where it runs."""

    side: ClassVar[str] = "source"
    custom: ClassVar[str] = "custom_reader"

    _sessions: Any = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[ReaderResource]:  # noqa: ARG002 - Dagster's signature
        """Keep what the streams of a run share, such as one snapshot of a database, until the run ends."""
        from dativo_dagster.pipeline.sessions import Sessions

        with Sessions() as self._sessions:
            yield self

    def reader(self, job: Job, stream: JobStream) -> AbstractContextManager[Reader]:
        """Open the reader of a job's stream."""
        from dativo_dagster.pipeline.assemble import open_reader

        self._ready()
        return open_reader(job, stream, self._sessions.of(job, stream) if self._sessions else None)

    def session(self, stream: JobStream) -> str:
        """Name what a stream shares with the others of its run; empty for one that is read by itself."""
        from dativo_dagster.pipeline.sessions import shares

        return str(self._sessions.id) if self._sessions and shares(stream) else ""

    @contextmanager
    def opened(self, contract: ContractLike | None = None) -> Iterator[Reader]:
        """Open the reader that the options describe; closed on any exit."""
        job, stream = self._job(contract)
        with raised_without_secrets(job.secrets), self.reader(job, stream) as reader:
            yield reader

    def check(self) -> CheckResult:
        """Try to reach the source; an error of ours is an answer, not an exception."""
        from dativo_dagster.pipeline.look import check_connection

        job, stream = self._job(None)
        return without_secrets(check_connection(job, stream, self.side), job)

    def discover(self) -> Sequence[Stream]:
        """List what the source has."""
        with self.opened() as reader:
            return reader.discover()

    def read(
        self, contract: ContractLike, *, validation: Literal["strict", "warn"] = "strict"
    ) -> Iterator[pa.RecordBatch]:
        """Yield all rows of the source as record batches of the contract's types.

        Args:
            contract: A contract's file, or the contract itself as a job file would have it.
            validation: ``warn`` keeps rows that break a rule; values that are not of their type never pass.

        Raises:
            ValidationError: A row breaks the contract.
            DativoError: Whatever the reader raises.
        """
        from dativo_dagster.orchestration.byhand import read_rows

        job, stream = self._job(contract, validation)
        with raised_without_secrets(job.secrets), self.reader(job, stream) as reader:
            yield from read_rows(reader, stream)


class WriterResource(PluginResource):
    """Writes a target: a built-in table, a plugin, or a plugin that lays down the files of a built-in table."""

    side: ClassVar[str] = "target"
    custom: ClassVar[str] = "custom_writer"

    def table(self, job: Job, stream: JobStream) -> Table:
        """Open the table of a job's stream."""
        from dativo_dagster.pipeline.assemble import open_table

        self._ready()
        return open_table(job, stream)

    def check(self, table: str = "by_hand.check") -> CheckResult:
        """Try to reach the target of a table, which need not be there; an error of ours is an answer."""
        from dativo_dagster.pipeline.look import check_connection

        job, stream = self._job(None, table=table)
        return without_secrets(check_connection(job, stream, self.side), job)

    def write(
        self,
        rows: Any,
        contract: ContractLike,
        *,
        table: str,
        token: str,
        report: Callable[[Progress], None] | None = None,
    ) -> StreamResult:
        """Hold rows against a contract, write them and commit them, exactly once for each token.

        Args:
            rows: Whatever gives Arrow: record batches, a table, a data frame.
            contract: A contract's file, or the contract itself as a job file would have it.
            table: The table with its namespace, such as ``geo.cities``.
            token: Names the rows: a token that the table has already is not written again, and the result says
                ``already_committed``. The run's id with the asset's name repeats nothing when a step is retried; a
                partition's key does so across runs.
            report: Told of progress; `progress.ProgressLog` makes log lines of it.

        Raises:
            ValidationError: A row breaks the contract; nothing is committed.
            DativoError: Whatever the writer or the table raises; nothing is committed.
        """
        from dativo_dagster.orchestration.byhand import Given
        from dativo_dagster.pipeline.assemble import Openers
        from dativo_dagster.pipeline.run import run_stream

        job, stream = self._job(contract, table=table)
        openers = Openers(reader=lambda *_: nullcontext(Given(rows, token)), table=self.table)
        with raised_without_secrets(job.secrets):
            return run_stream(job, stream, openers, run_id=token, report=report)


def _named(value: Any) -> Any:
    if isinstance(value, dg.EnvVar):
        return f"${{{value.env_var_name}}}"
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, (list, tuple)) else value
