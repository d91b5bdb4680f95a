"""What a launcher opens, under the shape of `plugins`: for code of the earlier system that holds a class and calls it.

Rows go through Python here; the platform itself never takes this way. A job also keeps the state of a reader; here it
reads from the start.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from dativo_ingest import doorways
from dativo_ingest.model import Column, DataFile, PluginRef, Stream
from dativo_ingest.plugins import BaseReader, BaseWriter, ConnectionTestResult, DiscoveryResult

if TYPE_CHECKING:
    from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
    from dativo_ingest.model import CheckResult
    from dativo_ingest.protocols import Launcher, Reader, WriterPlugin
    from dativo_ingest.validator import IncrementalStateManager

TENANT = "default"
_METADATA = "metadata"
"""Key of `DataFile.statistics` with what a writer in Python returned, see `adapters.writer`."""


class _Place(NamedTuple):
    """Where instances of a class run: what opens the plugin, and how the stores are reached that options mention."""

    launcher: Callable[[], Launcher]
    stores: Callable[[Mapping[str, Any]], dict[str, dict[str, str]]]


class _Here:
    """The launcher of this process."""

    def reader(self, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[Reader]:
        from dativo_ingest.opening import open_reader

        return open_reader(plugin, config)

    def writer(self, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[WriterPlugin]:
        from dativo_ingest.opening import open_writer

        return open_writer(plugin, config)


def native_class(ref: PluginRef, base: type) -> type[Any]:
    """Give a subclass of `BaseReader` or `BaseWriter` around a library; it is loaded when an instance is made."""
    return _class(ref, base, _Place(_Here, lambda _: {}))  # a library here finds the stores in the environment


def placed_class(ref: PluginRef, base: type, launcher: Callable[[], Launcher]) -> type[Any]:
    """Give a subclass of `BaseReader` or `BaseWriter` whose instances each ask for a launcher, and run there."""
    return _class(ref, base, _Place(launcher, doorways.stores))


def _class(ref: PluginRef, base: type, place: _Place) -> type[Any]:
    wrapper = OpenedReader if issubclass(base, BaseReader) else OpenedWriter
    return type(ref.name, (wrapper,), {"ref": ref, "place": place, "__module__": __name__})


class OpenedReader(BaseReader):
    """A reader that runs in a place."""

    ref: ClassVar[PluginRef]
    place: ClassVar[_Place]

    def __init__(self, source_config: SourceConfig) -> None:
        super().__init__(source_config)
        source = source_config.model_dump(exclude_none=True)
        self._stream = Stream(name=_object(source_config))
        config = {"source": source, **_common(self.ref, self._stream, self.place.stores(source))}
        self._reader, self._end = _opened(self, self.place.launcher().reader(self.ref, config))

    def check_connection(self) -> ConnectionTestResult:
        """Ask the plugin."""
        return _answer(self._reader.check())

    def discover(self) -> DiscoveryResult:
        """Ask the plugin."""
        return DiscoveryResult([{"type": "stream", **stream.to_json()} for stream in self._reader.discover()])

    def extract(self, state_manager: IncrementalStateManager | None = None) -> Iterator[list[dict[str, Any]]]:  # noqa: ARG002 - kept signature
        """Yield all rows."""
        from dativo_ingest.batches.rows import rows_of

        for unit in self._reader.split(self._stream, None).units:
            for batch in self._reader.read(self._stream, unit):
                yield rows_of(batch)

    def get_total_records_estimate(self) -> int | None:
        """Ask the plugin."""
        rows = [unit.rows for unit in self._reader.split(self._stream, None).units]
        return None if None in rows else sum(r or 0 for r in rows)

    def close(self) -> None:
        """Let the plugin go."""
        self._end()


class OpenedWriter(BaseWriter):
    """A writer that runs in a place."""

    ref: ClassVar[PluginRef]
    place: ClassVar[_Place]

    def __init__(self, asset_definition: AssetDefinition, target_config: TargetConfig, output_base: str) -> None:
        super().__init__(asset_definition, target_config, output_base)
        columns = [Column(name=c["name"], type=c.get("type", "string")) for c in asset_definition.schema or ()]
        self._stream = Stream(name=asset_definition.name or "default", columns=tuple(columns))
        target = target_config.model_dump(exclude_none=True)
        config = {
            "asset": asset_definition.model_dump(exclude_none=True),
            "target": target,
            "output_base": output_base,
            "commits": self.ref.kind == "python",
            "file_size_bytes": 128 * 1024 * 1024,
            "compression": "zstd",
            **_common(self.ref, self._stream, self.place.stores({**target, "output_base": output_base})),
        }
        self._writer, self._end = _opened(self, self.place.launcher().writer(self.ref, config))
        self._files: dict[str, DataFile] = {}

    def check_connection(self) -> ConnectionTestResult:
        """Ask the plugin."""
        return _answer(self._writer.check())

    def write_batch(self, records: list[dict[str, Any]], file_counter: int) -> list[dict[str, Any]]:
        """Write rows."""
        from dativo_ingest.batches import rows_batch

        batches = [rows_batch(records, self._stream)] if records else []
        files = self._writer.write(batches, f"{self.output_base.rstrip('/')}/", f"part-{file_counter:05}")
        self._files.update((file.path, file) for file in files)
        return [_metadata(file) for file in files]

    def commit_files(self, file_metadata: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask the plugin; one that lays files down for others has nothing to do."""
        files = [self._file(metadata) for metadata in file_metadata]
        said = dict(self._writer.commit("", files)) if self._writer.commits else {}
        return {"status": "success", "files_added": len(files), **said}

    def abort_files(self, file_metadata: list[dict[str, Any]]) -> None:
        """Ask the plugin."""
        self._writer.abort([self._file(metadata) for metadata in file_metadata])

    def close(self) -> None:
        """Let the plugin go."""
        self._end()

    def _file(self, said: Mapping[str, Any]) -> DataFile:
        """Give a file as it was written here; of another instance's only what is said of it is known."""
        stranger = DataFile(
            path=str(said["path"]),
            rows=int(said.get("record_count") or 0),
            bytes=int(said.get("size_bytes") or 0),
            statistics={_METADATA: dict(said)},
        )
        return self._files.get(stranger.path, stranger)


def _common(ref: PluginRef, stream: Stream, stores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stream": stream.to_json(),
        "tenant": TENANT,
        "job": ref.name,
        "base": str(Path.cwd()),
        "object_store": stores,
    }


def _opened(owner: object, opening: AbstractContextManager[Any]) -> tuple[Any, Callable[[], Any]]:
    """Open it; it ends when the function is called, or else with its owner, or else with the program."""
    stack = ExitStack()
    return stack.enter_context(opening), weakref.finalize(owner, stack.close)


def _metadata(file: DataFile) -> dict[str, Any]:
    said = file.statistics.get(_METADATA) or {}
    return {**said, "path": file.path, "size_bytes": file.bytes, "record_count": file.rows}


def _answer(result: CheckResult) -> ConnectionTestResult:
    return ConnectionTestResult(result.passed, result.message, result.code, dict(result.details))


def _object(source: SourceConfig) -> str:
    """Name what is read, as the earlier system does."""
    blocks = [*(source.files or ()), *(source.tables or ())]
    named = [*(source.objects or ()), *(b["object"] for b in blocks if b.get("object"))]
    return str(named[0]) if named else "default"
