"""Custom readers and writers of a job: which plugin, in which place, with what configuration. `assemble` calls it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from dativo_dagster import registry
from dativo_dagster.config.forplugins import reader_config, writer_config
from dativo_dagster.config.job import PLUGIN, Job, JobStream, Place, Source, Target
from dativo_dagster.config.location import location
from dativo_dagster.storage import local_path
from dativo_dagster.storage.portable import portable
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef
    from dativo_ingest.protocols import Launcher, Reader, WriterPlugin

SHIPPED = "native:"


def open_reader(job: Job, stream: JobStream) -> AbstractContextManager[Reader]:
    """Open the custom reader of a stream in its place.

    Raises:
        ConfigurationError: There is no such place, or no such file.
        PluginError: The plugin is broken, or made for another version.
    """
    plugin = reference(job, stream.source)
    config = reader_config(job, stream, portable(stream.source.options))
    return launcher(job, stream.source).reader(plugin, config)


def open_writer(job: Job, stream: JobStream) -> AbstractContextManager[WriterPlugin]:
    """Open the custom writer of a stream in its place; raises as `open_reader` does."""
    target = stream.target
    plugin = reference(job, target)
    config = writer_config(
        job,
        stream,
        portable(target.options),
        output_base=output_base(stream),
        commits=target.connector == PLUGIN,
    )
    return launcher(job, target).writer(plugin, config)


def reference(job: Job, side: Source | Target) -> PluginRef:
    """Give the plugin that a side names; nothing of it is run."""
    from dativo_ingest.loader import plugin_ref

    return plugin_ref(str(side.plugin), job.path.parent)


def output_base(stream: JobStream) -> str:
    """Give the folder of a writer that commits by itself: a plain path on this machine, or a URI of a bucket.

    The earlier system's writers make folders of what they get, so a local one must not be a ``file:`` URI.
    """
    options = stream.target.options
    uri = location(
        stream.target.table,
        stream.contract,
        path=options.get("path") or options.get("output_base"),
        warehouse=options.get("warehouse"),
        connection=options.get("connection") or {},
    )
    return str(local_path(uri)) if urlsplit(uri).scheme == "file" else uri


def launcher(job: Job, side: Source | Target) -> Launcher:
    """Make the launcher of the place where a side's plugin runs.

    Raises:
        ConfigurationError: ``PLACE_UNSUPPORTED``: the job asks for a place that this version does not have. It never
            takes a weaker one by itself.
    """
    chosen = place(job, side)
    module = registry.load("launchers", chosen.launcher)
    return cast("Launcher", module.Launcher(module.Config.model_validate(dict(chosen.options))))


def place(job: Job, side: Source | Target) -> Place:
    """Say where a side's plugin runs: where the job says, else where its kind is safe and fast (ADR 7)."""
    asked = _asked(job, side)
    if asked is not None:
        raise ConfigurationError(
            f"{job.path}: plugin {side.plugin!r} is to run in {asked}, which this version does not have; it has "
            f"{', '.join(sorted(registry.entries('launchers')))}, chosen by `place:` once that setting is taken out",
            "PLACE_UNSUPPORTED",
            {"place": asked},
        )
    if side.place is not None:
        return side.place
    kind = reference(job, side).kind
    shipped = str(side.plugin).startswith(SHIPPED)
    return Place(launcher="process" if kind == "native" and not shipped else "local")


def _asked(job: Job, side: Source | Target) -> str | None:
    """Name the place that the earlier system's settings ask for."""
    engine: Any = side.options.get("engine") or {}
    cloud = engine.get("cloud_execution") or {}
    if cloud.get("enabled"):
        return f"cloud execution ({cloud.get('provider', 'aws')})"
    if job.sandbox is not None and job.sandbox.get("enabled", True):
        return "a sandbox"
    return None
