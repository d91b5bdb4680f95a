"""``dativo plugin spec``: what a plugin is. Loads its code, but opens nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import PluginRef, Value

if TYPE_CHECKING:
    from dativo_dagster.cli.console import Console

ROLES = ("reader", "writer")
V1, JSON_ABI = "C ABI, version 1", "older JSON ABI"
_SHIPPED = "native:"
_KEPT = {
    "check_connection": "check",
    "discover": "discover",
    "get_total_records_estimate": "estimate",
    "write_arrow": "write Arrow",
    "commit_files": "commit",
    "abort_files": "abort",
}


@dataclass(frozen=True, kw_only=True)
class Spec(Value):
    """What is known of a plugin without opening it.

    ``plugin`` is what a job writes; ``interface`` the class or ABI by which it is called; ``version`` its own;
    ``requires`` the SDK that it asks for, or was built with.
    """

    plugin: str
    role: str
    kind: str
    interface: str
    version: str = ""
    requires: str = ""
    does: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``spec`` takes."""
    parser.add_argument("plugin", metavar="PATH[:NAME]", help="a Python file or a library; native:NAME for one of ours")
    parser.add_argument("--json", action="store_true", help="print a list of what was found")


def main(args: argparse.Namespace, console: Console) -> int:
    """Show what was found."""
    found = specs(args.plugin)
    if args.json:
        console.json([spec.to_json() for spec in found])
        return 0
    for spec in found:
        console.line(f"{console.style(spec.plugin, 'bold')}: {spec.role}")
        facts = {
            "kind": spec.kind,
            "interface": spec.interface,
            "version": spec.version,
            "SDK": spec.requires,
            "does": ", ".join(spec.does),
            "options": ", ".join(spec.options.get("properties", {})),
        }
        console.table(("", ""), [(name, value) for name, value in facts.items() if value], indent=2)
    return 0


def specs(text: str) -> tuple[Spec, ...]:
    """Find the plugins that a text names: one by its name, or all that a file has.

    Raises:
        ConfigurationError: ``PLUGIN_NOT_FOUND``, ``BAD_PLUGIN``, or ``NOTHING_TO_SEE``: there is no reader or writer.
        PluginError: Its code cannot be loaded.
    """
    ref, named = _reference(text)
    found = tuple(_of_python(ref) if ref.kind == "python" else _of_library(text, ref))
    if named and ref.kind == "python":
        found = tuple(s for s in found if s.plugin.endswith(f":{ref.name}"))
    if not found:
        raise ConfigurationError(f"{text} has no reader and no writer", "NOTHING_TO_SEE", {"plugin": text})
    return found


def _reference(text: str) -> tuple[PluginRef, bool]:
    """Find the file; gives whether a name was said, too."""
    from dativo_ingest.loader import plugin_ref

    named = text.startswith(_SHIPPED) or Path(text.rpartition(":")[0]).suffix != ""
    ref = plugin_ref(text if named else f"{text}:reader", Path.cwd())
    return ref, named


def _of_python(ref: PluginRef) -> Sequence[Spec]:
    from dativo_ingest.loader import load_class, load_module

    module = load_module(ref)
    found = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
    made = (
        _of_class(replace(ref, name=name), load_class(replace(ref, name=name)))
        for name in found
        if _usable(module, name)
    )
    return [spec for spec in made if spec is not None]


def _usable(module: Any, name: str) -> bool:
    return not getattr(getattr(module, name), "__abstractmethods__", ())


def _of_class(ref: PluginRef, found: type) -> Spec | None:
    from dativo_ingest.plugins import BaseReader, BaseWriter
    from dativo_ingest.protocols import Reader, WriterPlugin

    kept: tuple[tuple[str, type], ...] = (("reader", BaseReader), ("writer", BaseWriter))
    for role, base in kept:
        if issubclass(found, base):
            does = [said for name, said in _KEPT.items() if getattr(found, name, None) is not getattr(base, name, None)]
            requires = str(getattr(found, "requires_sdk", None) or "")
            version = str(getattr(found, "__version__", ""))
            return _spec(ref, role, base.__name__, version=version, requires=requires, does=tuple(does))
    for role, shape in (("reader", Reader), ("writer", WriterPlugin)):
        methods = [n for n, v in vars(shape).items() if callable(v) and not n.startswith("_")]
        if all(callable(getattr(found, name, None)) for name in methods):
            return _spec(ref, role, f"protocols.{shape.__name__}", does=tuple(methods))
    return None


def _of_library(text: str, ref: PluginRef) -> Sequence[Spec]:
    from dativo_ingest.native import load_library
    from dativo_ingest.native.library import NativeLibrary

    library = load_library(ref.path)
    if not isinstance(library, NativeLibrary):
        role = "writer" if "writer" in ref.name else "reader"
        return [_spec(ref, role, JSON_ABI)]
    said = library.spec()
    roles: Mapping[str, Any] = said.get("roles") or {}
    return [
        Spec(
            plugin=text if text.startswith(_SHIPPED) else f"{ref.path}:create_{role}",
            role=role,
            kind="native",
            interface=V1,
            version=str(said.get("version", "")),
            requires=str(said.get("sdk", "")),
            options=(roles[role] or {}).get("config") or {},
        )
        for role in ROLES
        if role in roles
    ]


def _spec(ref: PluginRef, role: str, interface: str, **facts: Any) -> Spec:
    return Spec(plugin=str(ref), role=role, kind=ref.kind, interface=interface, **facts)
