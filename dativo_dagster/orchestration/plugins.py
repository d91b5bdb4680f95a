"""Readers, writers and native libraries as Dagster resources, for the ops of jobs and for assets written by hand.

A resource says in the UI what it is: connector or plugin, where it runs, with which limits and options. Secrets are not
among them. Options name them, as ``${NAME}`` or ``dg.EnvVar("NAME")``, and the value is put in where they are used;
Dagster stores the configuration of every resource in plain text.

In a job's ops a resource hands out the reader or the table of a stream as the job's file describes it. An asset written
by hand uses `ReaderResource.read` and `WriterResource.write`; ``examples/hand_written_asset.py`` is one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.protocols import Reader, Table


class PluginResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What readers and writers have in common."""

    connector: str = Field(default="", description="A built-in connector or table format, such as `csv`.")
    plugin: str = Field(
        default="", description="A plugin instead: `path.py:Class`, `lib.so:create_reader` or `native:csv_reader`."
    )
    place: str = Field(default="", description="Where the plugin runs; empty: what suits its kind.")
    limits: dict[str, Any] = Field(default={}, description="Options of the place.")


class ReaderResource(PluginResource):
    """Reads a source."""

    def reader(self, job: Job, stream: JobStream) -> AbstractContextManager[Reader]:
        """Open the reader of a job's stream."""
        from dativo_dagster.pipeline.assemble import open_reader

        return open_reader(job, stream)


class WriterResource(PluginResource):
    """Writes a target."""

    def table(self, job: Job, stream: JobStream) -> Table:
        """Open the table of a job's stream."""
        from dativo_dagster.pipeline.assemble import open_table

        return open_table(job, stream)


class NativeLibraryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A native library."""

    path: str
