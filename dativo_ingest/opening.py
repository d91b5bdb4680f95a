"""Opens a plugin where it runs: the same two functions in the host's process, in a child process and far away.

Configurations are plain JSON; the platform's `config.forplugins` makes them.

reader::

    source        keywords of `config.SourceConfig` and any further key of the job's source
    stream        `model.Stream` as JSON, with the contract's columns
    tenant job    names
    base          folder of the job file; relative paths start at the working directory or else here
    object_store  {"s3": {option: value}, "gs": {...}}

writer: the same without ``source`` and ::

    target        keywords of `config.TargetConfig`        asset    keywords of `config.AssetDefinition`
    output_base   a plain path, or a URI of a bucket       commits  whether the writer makes its files visible itself
    file_size_bytes  compression                           wishes for Parquet files
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
from dativo_ingest.exceptions import PluginError
from dativo_ingest.protocols import Reader, WriterPlugin

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef


def open_reader(ref: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[Reader]:
    """Open a plugin's reader; closed on any exit.

    Raises:
        PluginError: It cannot be loaded, is no reader, or fails to start.
        PluginVersionError: It was made for another version.
    """
    if ref.kind == "native":
        from dativo_ingest.native import load_library

        return load_library(ref.path).reader(ref.name, config)
    return _python_reader(ref, config)


def open_writer(ref: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[WriterPlugin]:
    """Open a plugin's writer; closed on any exit. Raises as `open_reader` does."""
    if ref.kind == "native":
        from dativo_ingest.native import load_library

        return load_library(ref.path).writer(ref.name, config)
    return _python_writer(ref, config)


@contextmanager
def _python_reader(ref: PluginRef, config: Mapping[str, Any]) -> Iterator[Reader]:
    from dativo_ingest.adapters import GuardedReader, ReaderAdapter
    from dativo_ingest.loader import load_class
    from dativo_ingest.plugins import BaseReader

    found, source = load_class(ref), SourceConfig(**config["source"])
    if issubclass(found, BaseReader):
        with ReaderAdapter(ref, found, source, _stream(config)) as reader:
            yield reader
        return
    _must_fit(ref, found, Reader, "BaseReader")
    with GuardedReader(ref, found, source, _stream(config)) as guarded:
        yield guarded


@contextmanager
def _python_writer(ref: PluginRef, config: Mapping[str, Any]) -> Iterator[WriterPlugin]:
    from dativo_ingest.adapters import GuardedWriter, WriterAdapter
    from dativo_ingest.loader import load_class
    from dativo_ingest.plugins import BaseWriter

    found = load_class(ref)
    given = (AssetDefinition(**config["asset"]), TargetConfig(**config["target"]), str(config["output_base"]))
    if issubclass(found, BaseWriter):
        _must_commit(ref, config, commits=True)
        with WriterAdapter(ref, found, given, _stream(config)) as writer:
            yield writer
        return
    _must_fit(ref, found, WriterPlugin, "BaseWriter")
    with GuardedWriter(ref, found, given, _stream(config)) as guarded:
        _must_commit(ref, config, commits=guarded.commits)
        yield guarded


def _stream(config: Mapping[str, Any]) -> str:
    return str((config.get("stream") or {}).get("name", ""))


def _must_fit(ref: PluginRef, found: type, protocol: type, base: str) -> None:
    """Refuse a class that neither inherits from our base class nor has every method of the protocol."""
    wanted = [name for name, method in vars(protocol).items() if callable(method) and not name.startswith("_")]
    missing = sorted(name for name in wanted if not callable(getattr(found, name, None)))
    if missing:
        role = protocol.__name__
        message = (
            f"plugin {ref} is no {role}: it does not inherit from dativo_ingest.{base}, and to be used as a "
            f"protocols.{role} it lacks {', '.join(missing)}"
        )
        raise PluginError(message, "PLUGIN_WRONG_CLASS", {"plugin": str(ref)})


def _must_commit(ref: PluginRef, config: Mapping[str, Any], *, commits: bool) -> None:
    """Refuse a writer that commits where the job's table is to do so, or the reverse."""
    wanted = config.get("commits", commits)
    if wanted != commits:
        message = (
            f"plugin {ref} makes its files visible by itself, and so would the table of the target; leave out the "
            "`connector` of the target"
            if commits
            else f"plugin {ref} only lays files down, and nothing commits them; give the target a `connector`"
        )
        raise PluginError(message, "PLUGIN_WRONG_CLASS", {"plugin": str(ref), "commits": commits})
