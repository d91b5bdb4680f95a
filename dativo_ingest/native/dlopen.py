"""Load a shared library once, and say in words why one cannot be loaded. Called by `native`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import sysconfig
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from dativo_ingest.exceptions import PluginError
from dativo_ingest.native import elf as native_elf


@dataclass(frozen=True)
class Build:
    """Which build of a library: the same path with another file is another build."""

    path: str
    device: int
    inode: int
    modified: int
    size: int

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Build:
        """Look at a file.

        Raises:
            PluginError: ``PLUGIN_LOAD_FAILED``: there is none.
        """
        real = Path(path).resolve()
        try:
            found = real.stat()
        except OSError as error:
            raise _failed(str(path), error.strerror or "unreadable", "build it first, or correct the path") from error
        if not real.is_file():
            raise _failed(str(path), "not a file", "name the library itself")
        return cls(str(real), found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


_paths: set[str] = set()
_lock = threading.Lock()


def dlopen(build: Build) -> ctypes.CDLL:
    """Load a build, with all its symbols bound now.

    The dynamic linker knows a library by its path and would hand back the build that it has. A second build of a
    path is therefore loaded from a copy, which needs no name once it is loaded. The first build goes on as it is when
    the second is another file, as every linker makes it; one that is written over while it is loaded is lost.

    Raises:
        PluginError: ``PLUGIN_LOAD_FAILED``, with the reason and the linker's own words.
    """
    with _lock:
        again = build.path in _paths
        if sys.platform == "linux" and (why := native_elf.wrong(Path(build.path))):
            raise _failed(build.path, why, f"build it for {sysconfig.get_platform()}, and let the build end")
        try:
            library = _copied(build) if again else ctypes.CDLL(build.path)
        except OSError as error:
            raise _failed(build.path, *_reason(str(error))) from error
        _paths.add(build.path)
        return library


def _copied(build: Build) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="dativo-plugin-", ignore_cleanup_errors=True) as folder:
        return ctypes.CDLL(shutil.copy2(build.path, f"{folder}/{build.modified}-{Path(build.path).name}"))


def symbol(library: ctypes.CDLL, name: str) -> ctypes._NamedFuncPointer | None:
    """Give a function that a library exports, or None."""
    with contextlib.suppress(AttributeError):
        return library[name]
    return None


def _failed(path: str, why: str, remedy: str) -> PluginError:
    details = {"plugin": path, "reason": why}
    return PluginError(f"{path}: the library cannot be loaded: {why}; {remedy}", "PLUGIN_LOAD_FAILED", details)


def _reason(said: str) -> tuple[str, str]:
    """Give what is wrong with a library that the linker refused, and what to do, from its own words."""
    if any(words in said for words in ("cannot open shared object file", "image not found", "Library not loaded")):
        return f"a library that it needs is missing ({said})", "install it, or link it statically"
    if any(words in said for words in ("undefined symbol", "version `", "Symbol not found")):
        return f"it needs what this system's libraries do not have ({said})", "build it on the oldest system it is for"
    return said, f"build it for {sysconfig.get_platform()}"
