"""What goes with a plugin to a place that has other files than this machine: its own ones, and this SDK."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_ingest.loader.source import reached

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

_SDK = Path(__file__).parents[1]


def own_files(plugin: PluginRef) -> dict[str, bytes]:
    """Give the plugin's file, and what it imports from beside itself, by their paths below its folder."""
    path = Path(plugin.path)
    if plugin.kind == "native":
        return {path.name: path.read_bytes()}
    return {file.relative_to(path.parent).as_posix(): content for file, content in reached(path).items()}


@functools.cache
def sdk_files() -> Mapping[str, bytes]:
    """Give the files of the SDK by their paths below the folder that it is imported from."""
    found = (path for path in _SDK.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(_SDK.parent).as_posix(): path.read_bytes() for path in found}
