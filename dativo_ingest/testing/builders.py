"""What a plugin is opened with, made from what a test cares about and sensible for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
from dativo_ingest.model import Column, Stream

if TYPE_CHECKING:
    from dativo_ingest.validator import IncrementalStateManager

Columns = Mapping[str, str] | None


def source_config(**values: Any) -> SourceConfig:
    """Make what a reader is given; empty mappings for what readers look into, and a type."""
    return SourceConfig(
        **{"type": "custom", "connection": {}, "credentials": {}, "engine": {}, "objects": [], **values}
    )


def target_config(**values: Any) -> TargetConfig:
    """Make what a writer is given beside the asset."""
    return TargetConfig(**{"type": "custom", "connection": {}, "credentials": {}, "engine": {}, **values})


def asset_definition(columns: Columns = None, **values: Any) -> AssetDefinition:
    """Make the asset that a writer is given; ``columns`` are types by name and become its ``schema``."""
    schema = [{"name": name, "type": kind, "required": False} for name, kind in (columns or {"id": "integer"}).items()]
    filled = {"name": "things", "version": "1.0.0", "source_type": "custom", "object": "things", "schema": schema}
    return AssetDefinition(**{**filled, "team": {"owner": "team@example.com"}, **values})


def stream(name: str = "things", columns: Columns = None, **values: Any) -> Stream:
    """Make a stream; ``columns`` are types by name, a type that ends in ``!`` being required."""
    made = [
        Column(name=n, type=kind.removesuffix("!"), nullable=not kind.endswith("!"))
        for n, kind in (columns or {}).items()
    ]
    return Stream(name=name, columns=tuple(made), **values)


def reader_options(stream: Stream, base: Path | str = ".", **source: Any) -> dict[str, Any]:
    """Make the whole configuration that a launcher opens a reader with; ``source`` are keys of a job's `source`."""
    filled = {"type": "custom", **source}
    return {"source": filled, "stream": stream.to_json(), **_common(base)}


def writer_options(
    stream: Stream,
    output_base: Path | str,
    base: Path | str = ".",
    *,
    commits: bool = False,
    asset: Mapping[str, Any] | None = None,
    **target: Any,
) -> dict[str, Any]:
    """Make the whole configuration that a launcher opens a writer with; ``target`` are keys of a job's `target`."""
    schema = [{"name": c.name, "type": c.type, "required": not c.nullable} for c in stream.columns]
    return {
        "target": {"type": "custom", **target},
        "asset": {"name": stream.name, "version": "1.0.0", "schema": schema, **(asset or {})},
        "output_base": str(output_base),
        "stream": stream.to_json(),
        "commits": commits,
        "file_size_bytes": 128_000_000,
        "compression": "zstd",
        **_common(base),
    }


def _common(base: Path | str) -> dict[str, Any]:
    return {"tenant": "test", "job": "test", "base": str(Path(base).absolute()), "object_store": {}}


@contextmanager
def frozen_state(**state: Any) -> Iterator[tuple[IncrementalStateManager, Path]]:
    """Give a state manager and the file of a state that already holds ``state``, in a folder of its own.

    Put the file's path into ``incremental["state_path"]`` of the configuration.
    """
    import json
    import tempfile

    from dativo_ingest.validator import IncrementalStateManager

    with tempfile.TemporaryDirectory(prefix="dativo-state-") as folder:
        path = Path(folder) / "state.json"
        path.write_text(json.dumps(state), encoding="utf-8")
        yield IncrementalStateManager(), path
