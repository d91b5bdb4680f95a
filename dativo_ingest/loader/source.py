"""The source of a plugin in Python: which files it imports from its own folder, and how these imports are met.

Each plugin file is a package of its own, under a name made of its path and of the content of every file that it reaches
by import statements. An import of a file beside it is turned into an import from that package, in the syntax tree and
at its own line. So two folders may both have a ``helper.py``, an edited file makes a new name and is loaded anew, and
one name is the same plugin in every process that has the same files.

The standard library comes before files beside the plugin, and those before installed packages. A file never finds
itself: ``stripe.py`` may import the installed ``stripe``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from dativo_ingest.loader.syntax import tree_of

_OURS = frozenset({"dativo_ingest", "dativo_dagster"})
_PREFIX = "dativo_plugin_"


@dataclass(frozen=True)
class Package:
    """One plugin file with what lies beside it; ``name`` is that of the package, which is empty by itself."""

    name: str
    path: Path

    @property
    def module(self) -> str:
        """Give the name of the plugin's own module."""
        return f"{self.name}.{self.path.stem.replace('.', '_')}"

    @property
    def folder(self) -> Path:
        """Give the folder whose files the plugin may import."""
        return self.path.parent

    def home(self, imported: str, importer: Path) -> str | None:
        """Give the module in this package that an import of ``importer`` means; None when it means no file of ours."""
        top = imported.partition(".")[0]
        if top in sys.stdlib_module_names or top in _OURS:
            return None
        found = beside(self.folder, top)
        if found == importer or (found is None and not self._is_bare_folder(top)):
            return None
        return self.module if found == self.path else f"{self.name}.{imported}"

    def _is_bare_folder(self, name: str) -> bool:
        """Say whether a folder without ``__init__.py`` is meant: as in Python, only when nothing else has the name."""
        if not (self.folder / name).is_dir():
            return False
        try:
            return importlib.util.find_spec(name) is None
        except (ImportError, ValueError):  # half a module in `sys.modules`
            return False

    def tree(self, source: bytes, path: Path) -> ast.Module:
        """Parse a file of the package with its imports met."""
        tree = tree_of(source, str(path))
        _Imports(self, path).visit(tree)
        return ast.fix_missing_locations(tree)


def package(path: Path) -> Package:
    """Name the package of a plugin file, from its content as it is now.

    Raises:
        SyntaxError: A file that it reaches is no Python.
        OSError: It cannot be read.
    """
    digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape"))
    for file, source in sorted(reached(path).items()):
        digest.update(b"\0".join([b"", str(file).encode("utf-8", "surrogateescape"), source]))
    stem = "".join(c if c.isascii() and c.isalnum() else "_" for c in path.stem)
    return Package(f"{_PREFIX}{stem}_{digest.hexdigest()[:16]}", path)


def beside(folder: Path, name: str) -> Path | None:
    """Give the file of module or package ``name`` in a folder."""
    for candidate in (folder / name / "__init__.py", folder / f"{name}.py"):
        if candidate.is_file():
            return candidate
    return None


def reached(path: Path) -> dict[Path, bytes]:
    """Give the content of a file and of all that it imports from the same folder, directly or not."""
    draft, contents, waiting = Package(_PREFIX, path), dict[Path, bytes](), [path]
    while waiting:
        file = waiting.pop()
        if file not in contents:
            contents[file] = file.read_bytes()
            waiting += _imported(draft, file, contents[file])
    return contents


def _imported(draft: Package, file: Path, source: bytes) -> list[Path]:
    found: list[Path] = []
    for node in ast.walk(tree_of(source, str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if draft.home(alias.name, file):
                    found += _files(draft.folder, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                parts = [*(node.module or "").split("."), alias.name] if node.module else [alias.name]
                if node.level:
                    start = file.parents[node.level - 1]
                    if start == draft.folder or draft.folder in start.parents:
                        found += _files(start, parts)
                elif draft.home(node.module or "", file):
                    found += _files(draft.folder, parts)
    return found


def _files(folder: Path, parts: list[str]) -> list[Path]:
    """Give every file that is executed for ``a.b.c``; the last part may be a name in a module."""
    found: list[Path] = []
    for part in parts:
        file = beside(folder, part)
        if file is not None:
            found.append(file)
        folder /= part
    return found


class _Imports(ast.NodeTransformer):
    """Turns imports of files in the package into imports from it."""

    def __init__(self, package: Package, path: Path) -> None:
        self.package, self.path = package, path

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        home = None if node.level else self.package.home(node.module or "", self.path)
        if home is None:
            return node
        return ast.copy_location(ast.ImportFrom(module=home, names=node.names, level=0), node)

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for alias in node.names:
            home = self.package.home(alias.name, self.path)
            if home is None:
                statements.append(ast.Import(names=[alias]))
                continue
            # `import a.b` binds `a`, and only makes sure that `a.b` is loaded.
            bound = alias.asname or alias.name.partition(".")[0]
            if "." in alias.name and not alias.asname:
                statements.append(ast.Import(names=[ast.alias(name=home, asname=bound)]))
                home = self.package.home(bound, self.path) or home
            statements.append(ast.Import(names=[ast.alias(name=home, asname=bound)]))
        return [ast.copy_location(s, node) for s in statements]
