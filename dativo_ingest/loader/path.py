"""A plugin as a job writes it, ``path:name``, found on this disk. Nothing of the plugin runs. Called by `loader`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.model import PluginRef

LIBRARIES = (".so", ".dylib", ".dll")
_NATIVE = "native"
_PLATFORM = "dativo_dagster"


def plugin_ref(text: str, base: Path) -> PluginRef:
    """Find the plugin that a job names.

    ``path.py:Class`` is Python, ``path.so:function`` a library (a library's other suffixes are tried, too), and
    ``native:NAME`` a library that is installed with the platform. A relative path starts at the working directory if
    the file is there, else at ``base``.

    Raises:
        ConfigurationError: ``BAD_PLUGIN``, the text is of another form; ``PLUGIN_NOT_FOUND``, there is no such file.
    """
    said, colon, name = text.rpartition(":")
    if not colon or not said or not name.strip():
        message = f"{text!r} does not name a plugin: write path.py:Class, or library{_suffix()}:function"
        raise ConfigurationError(message, "BAD_PLUGIN", {"plugin": text})
    if said == _NATIVE:
        return PluginRef(path=str(_installed(name)), name=name, kind="native")
    kind = {".py": "python", **dict.fromkeys(LIBRARIES, "native")}.get(Path(said).suffix.lower())
    if kind is None:
        message = f"{text!r}: a plugin is a Python file (.py) or a library ({', '.join(LIBRARIES)})"
        raise ConfigurationError(message, "BAD_PLUGIN", {"plugin": text})
    return PluginRef(path=str(_existing(Path(said), base, text, kind)), name=name.strip(), kind=kind)


def _existing(path: Path, base: Path, text: str, kind: str) -> Path:
    tried = [path] if path.is_absolute() else [Path.cwd() / path, base.absolute() / path]
    suffixes = [path.suffix, *(s for s in LIBRARIES if s != path.suffix)] if kind == "native" else [path.suffix]
    for place in tried:
        for suffix in suffixes:
            candidate = place.with_suffix(suffix)
            if candidate.is_file():
                return Path(os.path.abspath(candidate))  # noqa: PTH100 - resolve() would follow links, siblings lie here
    if any(place.is_dir() for place in tried):
        message = f"plugin {text!r} names a folder, not a file"
    else:
        places = " or ".join(dict.fromkeys(str(place.parent) for place in tried))
        message = f"plugin {text!r} not found: there is no {path.name} in {places}"
        if kind == "native":
            message += f" (nor with {' or '.join(suffixes[1:])}); build it first, with `cargo build --release`"
            if built := os.environ.get("CARGO_TARGET_DIR"):
                message += f", which builds into {built} as CARGO_TARGET_DIR says"
    raise ConfigurationError(message, "PLUGIN_NOT_FOUND", {"plugin": text})


def _installed(name: str) -> Path:
    """Find a library of ours: in the folder that ``DATIVO_NATIVE`` names, else in the installed platform."""
    stem = name.replace("-", "_")
    files = [f"lib{stem}.so", f"lib{stem}.dylib", f"{stem}.dll"]
    folders = _folders()
    for folder in folders:
        for file in files:
            if (folder / file).is_file():
                return folder / file
    there = sorted({p.stem.removeprefix("lib") for f in folders for s in LIBRARIES for p in f.glob(f"*{s}")})
    known = f" (here are: {', '.join(there)})" if there else ""
    looked = " and ".join(map(str, folders)) or "no folder, the platform is not installed"
    todo = "Run `make rust` in a checkout, or install a wheel that carries the libraries"
    if os.environ.get("DATIVO_NATIVE"):
        looked, todo = f"{looked}, as DATIVO_NATIVE says", "Mend or unset DATIVO_NATIVE"
    message = f"native library {name!r} is not built{known}; looked in {looked}. {todo}"
    raise ConfigurationError(message, "PLUGIN_NOT_FOUND", {"plugin": f"{_NATIVE}:{name}"})


def _folders() -> list[Path]:
    if said := os.environ.get("DATIVO_NATIVE"):
        return [Path(said).absolute()]
    spec = None if sys.modules.get(_PLATFORM, ...) is None else find_spec(_PLATFORM)  # finds it, does not import it
    return [Path(place) / _NATIVE for place in (spec.submodule_search_locations or ())] if spec else []


def _suffix() -> str:
    return {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
