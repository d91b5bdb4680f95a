"""From a job's words to a plugin's class: `plugin_ref` finds the file and runs nothing, `load_class` executes it.

A plugin's module is in `sys.modules` like any other, so that dataclasses, pickling and resources beside the file work
(`loader.source` tells under which name). Unpickling in another process needs the plugin loaded there, too: the same
files under the same path give the same name.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import DativoError, PluginError
from dativo_ingest.loader.defined import no_class
from dativo_ingest.loader.path import plugin_ref
from dativo_ingest.loader.source import Package, beside, package

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

__all__ = ["load_class", "load_module", "named", "own_frame", "plugin_ref"]

_packages: dict[str, Package] = {}
_lock = threading.RLock()


class _Source(importlib.machinery.SourceFileLoader):
    """Compiles a file of a plugin each time: a cached one is told from an edited one by whole seconds only."""

    def __init__(self, owner: Package, name: str, path: Path) -> None:
        super().__init__(name, str(path))
        self.owner = owner

    def get_code(self, fullname: str) -> CodeType:
        path = Path(self.get_filename(fullname))
        return compile(self.owner.tree(path.read_bytes(), path), str(path), "exec", dont_inherit=True)


class _Finder:
    """Finds the modules of plugins by the names that `package` gave."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - Python's
    ) -> importlib.machinery.ModuleSpec | None:
        """Give the spec of a plugin's file, or of a file beside it."""
        root, _, rest = fullname.partition(".")
        owner = _packages.get(root)
        if owner is None:
            return None
        if not rest:
            spec = importlib.machinery.ModuleSpec(root, None, is_package=True)
            spec.submodule_search_locations = [str(owner.folder)]
            return spec
        if fullname == owner.module:
            return _spec(owner, fullname, owner.path)
        for folder in path or ():
            file = beside(Path(folder), rest.rpartition(".")[2])
            if file is not None:
                return _spec(owner, fullname, file)
        return None  # a compiled module or a folder without __init__.py: Python's own finder knows them


def _spec(owner: Package, name: str, path: Path) -> importlib.machinery.ModuleSpec | None:
    within = [str(path.parent)] if path.name == "__init__.py" else None
    loader = _Source(owner, name, path)
    return importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=within)


_finder = _Finder()


def load_class(ref: PluginRef, *bases: type) -> type[Any]:
    """Execute the plugin's file, unless it was and did not change, and give its class.

    Args:
        ref: What to load; ``kind`` must be ``python``.
        bases: The class must inherit from one of these; any class will do when there are none.

    Raises:
        PluginError: ``PLUGIN_IMPORT_FAILED``, ``PLUGIN_CLASS_MISSING``, ``PLUGIN_WRONG_CLASS``.
        PluginVersionError: It runs on another version of the SDK.
    """
    module = load_module(ref)
    try:
        found = getattr(module, ref.name)
    except AttributeError:
        there = [n for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__]
        raise no_class(ref, there) from None
    _check_class(ref, found, bases)
    return found  # type: ignore[no-any-return]


def _check_class(ref: PluginRef, found: Any, bases: tuple[type, ...]) -> None:
    from dativo_ingest import __version__
    from dativo_ingest.versions import check_requirement

    if not inspect.isclass(found):
        message = f"plugin {ref}: {ref.name!r} is not a class but a {type(found).__name__}"
        raise PluginError(message, "PLUGIN_WRONG_CLASS", {"plugin": str(ref)})
    if bases and not issubclass(found, bases):
        wanted = " or ".join(base.__name__ for base in bases)
        raise PluginError(f"plugin {ref} must inherit from {wanted}", "PLUGIN_WRONG_CLASS", {"plugin": str(ref)})
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        message = f"plugin {ref} does not define {', '.join(missing)}"
        raise PluginError(message, "PLUGIN_WRONG_CLASS", {"plugin": str(ref)})
    check_requirement(f"plugin {ref}", getattr(found, "requires_sdk", None), __version__)


def load_module(ref: PluginRef) -> ModuleType:
    """Execute the plugin's file, unless it was and did not change, and give its module.

    Raises:
        PluginError: ``PLUGIN_IMPORT_FAILED``: its own code failed; the message has the line in the plugin.
    """
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        try:
            found = package(Path(ref.path))
            _packages[found.name] = found
            return importlib.import_module(found.module)
        except DativoError as error:
            named(error, ref, "import")
            raise
        except (Exception, SystemExit) as error:
            where = _where(error, Path(ref.path))
            hint = ""
            if isinstance(error, ModuleNotFoundError):
                hint = f"; install {error.name!r} where the plugin runs, or put it beside the plugin"
            raise PluginError(
                f"plugin {ref} cannot be imported: {type(error).__name__}: {error}{where}{hint}",
                "PLUGIN_IMPORT_FAILED",
                {"plugin": str(ref), "original_error": type(error).__name__},
            ) from error


def _where(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its text has file and line
    frame = own_frame(error, path.parent)
    return f" ({frame})" if frame else ""


def named(error: DativoError, ref: PluginRef, doing: str) -> None:
    """Say in the message of an error of ours which plugin raised it, and doing what, unless it says so."""
    message = str(error.message)
    if str(ref) not in message:
        error.message = f"plugin {ref}: {doing}: {message}"
        error.args = (error.message,)


def own_frame(error: BaseException, folder: Path) -> str:
    """Give ``file:line in function`` of the innermost frame in a plugin's folder; empty when there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(folder):
            return f"{frame.filename}:{frame.lineno} in {frame.name}"
    return ""
