"""Custom readers and writers of a job: which plugin, in which place, with what configuration. `assemble` calls it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from dativo_dagster import registry
from dativo_dagster.config.forplugins import reader_config, writer_config
from dativo_dagster.config.job import PLUGIN, Job, JobStream, Place, Source, Target
from dativo_dagster.config.location import location
from dativo_dagster.config.mistakes import dotted, explained
from dativo_dagster.config.places import asked
from dativo_dagster.storage import local_path
from dativo_dagster.storage.portable import portable
from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.protocols import Choosy, Lasting

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef
    from dativo_ingest.protocols import Launcher, Reader, WriterPlugin

SHIPPED = "native:"
_VARIABLE = "${"
_UNWALLED = frozenset({"local", "process"})
"""Places whose plugins can use whatever the run can."""


def open_reader(job: Job, stream: JobStream) -> AbstractContextManager[Reader]:
    """Open the custom reader of a stream in its place.

    Raises:
        ConfigurationError: There is no such place, or no such file.
        PluginError: The plugin is broken, or made for another version.
    """
    chosen = place(job, stream.source)
    return launcher_of(chosen).reader(reference(job, stream.source), _reader_config(job, stream, chosen))


def is_made(job: Job, stream: JobStream) -> bool:
    """Say whether the reader of a stream can be asked without making anything that stays, such as a function."""
    if not stream.source.plugin:
        return True
    chosen = place(job, stream.source)
    launcher = launcher_of(chosen)
    return not isinstance(launcher, Lasting) or launcher.is_made(
        reference(job, stream.source), _reader_config(job, stream, chosen)
    )


def _reader_config(job: Job, stream: JobStream, chosen: Place) -> dict[str, Any]:
    return reader_config(job, stream, stores(stream.source.options, chosen))


def open_writer(job: Job, stream: JobStream) -> AbstractContextManager[WriterPlugin]:
    """Open the custom writer of a stream in its place; raises as `open_reader` does."""
    target = stream.target
    chosen = place(job, target)
    config = writer_config(
        job,
        stream,
        stores(target.options, chosen),
        output_base=output_base(stream),
        commits=target.connector == PLUGIN,
    )
    return launcher_of(chosen).writer(reference(job, target), config)


def stores(options: Mapping[str, Any], chosen: Place) -> dict[str, dict[str, str]]:
    """Give what reaches the object stores that a side's options mention.

    The keys of this machine itself, which may deploy functions and read what other tenants have, are for plugins that
    run on it without walls. Any other has those that the job says, or those of its place.
    """
    return portable(options, ambient=chosen.launcher in _UNWALLED)


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


def launcher_of(chosen: Place) -> Launcher:
    """Make the launcher of a place.

    Raises:
        ConfigurationError: There is no such place, an option of it is wrong, or a package that it needs is missing.
            No weaker place is ever taken instead.
    """
    module = registry.ready("launchers", chosen.launcher)
    return cast("Launcher", module.Launcher(_config(chosen, module.Config)))


def suited(job: Job, side: Source | Target) -> None:
    """Do the part of opening a side's plugin that asks nobody.

    What a cloud is told with a variable that is not set yet is looked at when the job is loaded for a run.

    Raises:
        ConfigurationError: No such plugin, no such place, a wrong option, a place that cannot run the plugin, or a
            package that it needs is missing.
        PluginError: The plugin's file is no Python, or has no class of that name.
    """
    if _VARIABLE in str((side.options.get("engine") or {}).get("cloud_execution")):
        return
    from dativo_ingest.loader.defined import must_define

    chosen = place(job, side)
    module = registry.load("launchers", chosen.launcher)
    config = _config(chosen, module.Config)
    plugin = reference(job, side)
    launcher = module.Launcher(config)
    if isinstance(launcher, Choosy):
        launcher.suits(plugin)
    if plugin.kind == "python" and not _is_in_an_image(chosen):
        must_define(plugin)
    registry.ready("launchers", chosen.launcher)


def _is_in_an_image(chosen: Place) -> bool:
    """Say whether a place has a plugin's file of its own: all others run, or send, the one that is here."""
    return chosen.launcher == "aws_lambda" and bool(chosen.options.get("image"))


def openings(chosen: Place) -> list[str]:
    """Say what a job gives to the plugin in a place with walls, beyond what the place gives to each."""
    config = _config(chosen, registry.load("launchers", chosen.launcher).Config)
    return list(config.openings()) if hasattr(config, "openings") else []


def _config(chosen: Place, kind: Any) -> Any:
    try:
        return kind.model_validate(dict(chosen.options))
    except ValidationError as error:
        wrong = [f"{dotted(at)}: {why}" for at, why, _ in explained(error, kind, dict(chosen.options))]
        raise ConfigurationError(f"place {chosen.launcher!r}: {'; '.join(wrong)}", "BAD_PLACE") from None


def place(job: Job, side: Source | Target) -> Place:
    """Say where a side's plugin runs: where the job says, else where its kind is safe and fast (ADR 7)."""
    if (chosen := asked(job, side)) is not None:
        registry.entry("launchers", chosen.launcher)
        return chosen
    if not str(side.plugin).startswith(SHIPPED) and reference(job, side).kind == "native":
        return Place(launcher="process", why="a library may crash, and a child process holds that")
    return Place(launcher="local", why="what Python raises is caught")


def places(job: Job, stream: JobStream) -> dict[str, Place]:
    """Say by side, source or target, where the plugins of a stream run; what is built in has no place."""
    sides: dict[str, Source | Target] = {"source": stream.source, "target": stream.target}
    return {name: place(job, side) for name, side in sides.items() if side.plugin}
