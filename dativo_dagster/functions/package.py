"""Packages for functions of a cloud: a plugin with what it imports from beside itself, the SDK and an entry file.

A package is named by its content: order, times and modes of the archive are fixed, so that the same files give the
same bytes on every machine, and what is deployed already is known by its hash. `functions.dependencies` packs what
comes from an index of packages; that changes seldom, and is larger.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.loader.packing import own_files, sdk_files

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

PLUGIN = "plugin"
"""The folder of a package that holds the plugin's files."""
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can say
_EXECUTABLE = frozenset({"bootstrap"})


@dataclass(frozen=True)
class Package:
    """A zip archive that is made when it is asked for: what is deployed already needs none.

    Attributes:
        make: Gives its bytes.
        hash: Names the content, in hexadecimal.
        unzipped: How many bytes it takes on a disk.
    """

    make: Callable[[], bytes] = field(repr=False, compare=False)
    hash: str
    unzipped: int

    @cached_property
    def data(self) -> bytes:
        """The archive."""
        return self.make()


def pack(files: Mapping[str, bytes]) -> Package:
    """Pack files by their names in the archive. The same files give the same bytes."""
    named = hashlib.sha256()
    for name in sorted(files):
        named.update(f"{name}\0{len(files[name])}\0".encode())
        named.update(files[name])
    return Package(lambda: _archive(files), named.hexdigest(), sum(map(len, files.values())))


def _archive(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3  # Unix: the mode counts
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name in _EXECUTABLE else 0o100644) << 16
            archive.writestr(entry, files[name])
    return out.getvalue()


def plugin_package(plugin: PluginRef, entry: Mapping[str, bytes]) -> Package:
    """Pack a plugin.

    Args:
        plugin: What will be run.
        entry: The files that the cloud starts, by their names in the package: ``main.py``, ``bootstrap``.
    """
    own = {f"{PLUGIN}/{name}": content for name, content in own_files(plugin).items()}
    return pack({**sdk_files(), **own, **entry})


def inside(plugin: PluginRef) -> str:
    """Give the path of the plugin's file in its package."""
    return f"{PLUGIN}/{Path(plugin.path).name}"


def check_unzipped(sizes: Mapping[str, int], limit: int) -> None:
    """Look whether packages fit one function.

    Raises:
        ConfigurationError: ``PACKAGE_TOO_LARGE``.
    """
    if (total := sum(sizes.values())) > limit:
        listed = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())
        raise ConfigurationError(
            f"the function would take {total / 1e6:.0f} MB on its disk ({listed}), and {limit / 1e6:.0f} MB is what it "
            "may have; require fewer packages, or give an `image` that has them",
            "PACKAGE_TOO_LARGE",
            {"bytes": total, "limit": limit},
        )
