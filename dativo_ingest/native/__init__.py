"""Native plugins: shared libraries that speak the C ABI v1, or the JSON ABI of the earlier system.

The libraries are trusted as far as the process that loads them: one that writes to memory which is not its own, or
ends the process, does so here. `place: process` of a job is what holds against that.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from dativo_ingest.exceptions import PluginError
from dativo_ingest.native import abi
from dativo_ingest.native.dlopen import Build, dlopen, symbol
from dativo_ingest.native.library import NativeLibrary
from dativo_ingest.native_json import SYMBOLS, JsonLibrary

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from dativo_ingest.protocols import Reader, WriterPlugin


class Library(Protocol):
    """What a loaded library gives, whichever ABI it speaks."""

    path: str

    def spec(self) -> Mapping[str, Any]:
        """Give what the library says of itself."""
        ...

    def reader(self, name: str, config: Mapping[str, Any]) -> AbstractContextManager[Reader]:
        """Open a reader; everything of it is released on any exit."""
        ...

    def writer(self, name: str, config: Mapping[str, Any]) -> AbstractContextManager[WriterPlugin]:
        """Open a writer; everything of it is released on any exit."""
        ...


_libraries: dict[Build, Library] = {}
_lock = threading.Lock()


def load_library(path: str | os.PathLike[str]) -> Library:
    """Load a library, once in a process for each build of it; none is ever unloaded.

    Raises:
        PluginError: ``PLUGIN_LOAD_FAILED`` or ``NOT_A_PLUGIN``: it exports none of the symbols that make a plugin.
        PluginVersionError: It speaks another version of the ABI.
    """
    build = Build.at(path)
    with _lock:
        if build not in _libraries:
            _libraries[build] = _loaded(build)
        return _libraries[build]


def _loaded(build: Build) -> Library:
    library = dlopen(build)
    if init := symbol(library, abi.INIT):
        return NativeLibrary(build.path, init)
    if any(symbol(library, name) for name in SYMBOLS):
        return JsonLibrary(build.path, library)
    looked = ", ".join((abi.INIT, *SYMBOLS))
    message = f"{build.path}: is a library and no plugin; it exports none of {looked}"
    raise PluginError(message, "NOT_A_PLUGIN", {"plugin": build.path})
