"""A native library under the shape of `plugins`, for code that loads one through `PluginLoader.load_rust_plugin`.

Rows go through Python here; the platform itself never takes this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dativo_ingest.model import Column, DataFile, PluginRef, Stream
from dativo_ingest.plugins import BaseReader, BaseWriter, ConnectionTestResult, DiscoveryResult

if TYPE_CHECKING:
    from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
    from dativo_ingest.model import CheckResult
    from dativo_ingest.validator import IncrementalStateManager

_COMMON = {"tenant": "", "job": "", "object_store": {}}


def native_class(ref: PluginRef, base: type) -> type[Any]:
    """Give a subclass of `BaseReader` or `BaseWriter` around a library; it is loaded when an instance is made."""
    wrapper = NativeReader if issubclass(base, BaseReader) else NativeWriter
    return type(ref.name, (wrapper,), {"ref": ref, "__module__": __name__})


class NativeReader(BaseReader):
    """A library's reader."""

    ref: ClassVar[PluginRef]

    def __init__(self, source_config: SourceConfig) -> None:
        from dativo_ingest.opening import open_reader

        super().__init__(source_config)
        self._stream = Stream(name=_object(source_config))
        settings = {"source": source_config.model_dump(exclude_none=True), "stream": self._stream.to_json()}
        self._stack = ExitStack()
        self._reader = self._stack.enter_context(
            open_reader(self.ref, {**settings, **_COMMON, "base": str(Path.cwd())})
        )

    def check_connection(self) -> ConnectionTestResult:
        """Ask the library."""
        return _answer(self._reader.check())

    def discover(self) -> DiscoveryResult:
        """Ask the library."""
        return DiscoveryResult([{"type": "stream", **stream.to_json()} for stream in self._reader.discover()])

    def extract(self, state_manager: IncrementalStateManager | None = None) -> Iterator[list[dict[str, Any]]]:  # noqa: ARG002 - kept signature
        """Yield all rows."""
        from dativo_ingest.batches.rows import rows_of

        for unit in self._reader.split(self._stream, None).units:
            for batch in self._reader.read(self._stream, unit):
                yield rows_of(batch)

    def get_total_records_estimate(self) -> int | None:
        """Ask the library."""
        rows = [unit.rows for unit in self._reader.split(self._stream, None).units]
        return None if None in rows else sum(r or 0 for r in rows)

    def close(self) -> None:
        """Let the library go."""
        self._stack.close()


class NativeWriter(BaseWriter):
    """A library's writer."""

    ref: ClassVar[PluginRef]

    def __init__(self, asset_definition: AssetDefinition, target_config: TargetConfig, output_base: str) -> None:
        from dativo_ingest.opening import open_writer

        super().__init__(asset_definition, target_config, output_base)
        columns = [Column(name=c["name"], type=c.get("type", "string")) for c in asset_definition.schema or ()]
        self._stream = Stream(name=asset_definition.name or "default", columns=tuple(columns))
        settings = {
            "asset": asset_definition.model_dump(exclude_none=True),
            "target": target_config.model_dump(exclude_none=True),
            "output_base": output_base,
            "stream": self._stream.to_json(),
            "commits": False,
            "file_size_bytes": 128 * 1024 * 1024,
            "compression": "zstd",
        }
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(
            open_writer(self.ref, {**settings, **_COMMON, "base": str(Path.cwd())})
        )
        self._files: dict[str, DataFile] = {}

    def check_connection(self) -> ConnectionTestResult:
        """Ask the library."""
        return _answer(self._writer.check())

    def write_batch(self, records: list[dict[str, Any]], file_counter: int) -> list[dict[str, Any]]:
        """Write rows."""
        from dativo_ingest.batches import rows_batch

        batches = [rows_batch(records, self._stream)] if records else []
        files = self._writer.write(batches, f"{self.output_base.rstrip('/')}/", f"part-{file_counter:05}")
        self._files.update((file.path, file) for file in files)
        return [{"path": f.path, "size_bytes": f.bytes, "record_count": f.rows} for f in files]

    def commit_files(self, file_metadata: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask the library; one that lays files down for others has nothing to do."""
        files = [self._files[m["path"]] for m in file_metadata]
        said = dict(self._writer.commit("", files)) if self._writer.commits else {}
        return {"status": "success", "files_added": len(files), **said}

    def abort_files(self, file_metadata: list[dict[str, Any]]) -> None:
        """Ask the library."""
        self._writer.abort([self._files[m["path"]] for m in file_metadata])

    def close(self) -> None:
        """Let the library go."""
        self._stack.close()


def _answer(result: CheckResult) -> ConnectionTestResult:
    return ConnectionTestResult(result.passed, result.message, result.code, dict(result.details))


def _object(source: SourceConfig) -> str:
    """Name what is read, as the earlier system does."""
    blocks = [*(source.files or ()), *(source.tables or ())]
    named = [*(source.objects or ()), *(b["object"] for b in blocks if b.get("object"))]
    return str(named[0]) if named else "default"
