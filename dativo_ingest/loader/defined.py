"""What a plugin's file in Python defines, found in its text: nothing of it runs, and nothing that it imports.

So a name that no run would find is told before one. Where the text does not show which names there will be, only a run
can tell.
"""

from __future__ import annotations

import ast
import functools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import PluginError
from dativo_ingest.loader.syntax import tree_of

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

_SCOPES = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_ANY_NAME = frozenset({"*", "__getattr__"})
"""What gives a module names that are not in its text."""
_BY_HAND = frozenset({"__globals__", "eval", "exec", "f_globals", "globals", "locals", "modules", "vars"})
"""What code says that may put a name into its module without an assignment."""
_LOGGERS = frozenset({"getLogger", "get_logger"})
"""Who is told the module's name and does not look for the module."""


@dataclass(frozen=True)
class _Defined:
    """What a module has at its top level; ``open`` says that it may have more."""

    names: frozenset[str]
    classes: tuple[str, ...]
    open: bool


def must_define(ref: PluginRef) -> None:
    """Refuse a plugin in Python whose file shows that `load_class` would.

    Raises:
        PluginError: ``PLUGIN_IMPORT_FAILED``: the file is no Python. ``PLUGIN_CLASS_MISSING``: it defines no such name.
    """
    try:
        found = _defined(ref.path, Path(ref.path).read_bytes())
    except (SyntaxError, ValueError) as error:  # Python 3.11 has a ValueError for a zero byte
        place = (ref.path, getattr(error, "lineno", None), getattr(error, "offset", None))
        where, why = ":".join(str(part) for part in place if part), getattr(error, "msg", None) or error
        message = f"plugin {ref} cannot be imported: {where}: {type(error).__name__}: {why}"
        raise PluginError(message, "PLUGIN_IMPORT_FAILED", {"plugin": str(ref)}) from error
    except (OSError, RecursionError, MemoryError):  # who loads it may be able to, or tells
        return
    if not found.open and ref.name not in found.names:
        raise no_class(ref, found.classes)


def no_class(ref: PluginRef, classes: Iterable[str]) -> PluginError:
    """Give the error for a name that a plugin's file does not have; ``classes`` are those that it has."""
    import difflib  # only for this error, and no worker should wait for it

    there = list(classes)
    listed = f"; it has {', '.join(there)}" if there else ""
    near = difflib.get_close_matches(ref.name, there, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    message = f"plugin {ref}: the file has no class {ref.name!r}{listed}{meant}"
    return PluginError(message, "PLUGIN_CLASS_MISSING", {"plugin": str(ref)})


@functools.lru_cache(maxsize=256)
def _defined(path: str, source: bytes) -> _Defined:
    """Look through a text once, however many jobs name it."""
    tree = tree_of(source, path)
    outer, whole = list(_outer(tree)), list(ast.walk(tree))
    names = {name for node in outer for name in _bound(node)}
    names.update(name for node in whole if isinstance(node, ast.Global) for name in node.names)
    said = {name for node in whole for name in _texts(node, "id", "attr", "name")}
    return _Defined(
        names=frozenset(names),
        classes=tuple(node.name for node in outer if isinstance(node, ast.ClassDef)),
        open=bool(names & _ANY_NAME or said & _BY_HAND) or any(map(_may_be_filled, whole)),
    )


def _outer(tree: ast.Module) -> Iterator[ast.AST]:
    """Give what is executed with the module: all but the insides of classes and functions."""
    waiting = deque[ast.AST]([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        body = node.body if isinstance(node, _SCOPES) else []
        within = body if isinstance(body, list) else [body]
        waiting.extend(child for child in ast.iter_child_nodes(node) if child not in within)


def _may_be_filled(node: ast.AST) -> bool:
    """Say whether the module's name is told to somebody, who may put names into the module."""
    if not isinstance(node, ast.Call):
        return False
    told = [*node.args, *(keyword.value for keyword in node.keywords)]
    named = any(isinstance(each, ast.Name) and each.id == "__name__" for each in told)
    return named and _LOGGERS.isdisjoint(_texts(node.func, "id", "attr"))


def _bound(node: ast.AST) -> Iterator[str]:
    """Give the names that a statement, or a part of one, gives to something."""
    if isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.id
    else:  # classes, functions, `except ... as`, and patterns of `match`
        yield from _texts(node, "name", "rest")


def _texts(node: ast.AST, *keys: str) -> Iterator[str]:
    return (text for key in keys if isinstance(text := getattr(node, key, None), str))
