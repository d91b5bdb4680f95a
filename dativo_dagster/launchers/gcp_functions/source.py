"""The source of a function: the plugin, the SDK that opens it, and what Google's build installs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_dagster.functions.dependencies import SDK_NEEDS
from dativo_dagster.functions.glibc import check
from dativo_dagster.functions.package import plugin_package

if TYPE_CHECKING:
    from dativo_dagster.functions.package import Package
    from dativo_ingest.model import PluginRef

_FRAMEWORK = "functions-framework>=3.8,<4"
_MAIN = b'''"""What Cloud Functions calls."""

from dativo_ingest.functions.gcp import entry

__all__ = ["entry"]
'''


def source(plugin: PluginRef, requirements: Sequence[str], runtime: str) -> Package:
    """Pack a plugin, of Python or a library, with ``main.py`` and ``requirements.txt``.

    Google's build resolves the requirements on the runtime itself, and what it installed stays with the function.

    Raises:
        ConfigurationError: ``GLIBC_TOO_NEW`` or ``WRONG_MACHINE``: the runtime cannot load the library.
    """
    suited(plugin, runtime)
    wanted = "".join(f"{line}\n" for line in (_FRAMEWORK, *SDK_NEEDS, *requirements))
    return plugin_package(plugin, {"main.py": _MAIN, "requirements.txt": wanted.encode()})


def suited(plugin: PluginRef, runtime: str) -> None:
    """Refuse a library that the runtime cannot load, as `source` does; nobody is asked for that."""
    if plugin.kind == "native":
        check(Path(plugin.path), runtime)
