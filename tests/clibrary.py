"""Libraries written in C for one test: they misbehave in ways that no Rust of ours can."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = Path(__file__).with_name("native_c")


@functools.cache
def c_library(name: str, *defines: str) -> Path:
    """Compile ``native_c/NAME.c`` once in a process for each set of ``defines`` and give the library."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler `cc`")
    library = _folder() / f"lib{re.sub(r'[^A-Za-z0-9]+', '-', ' '.join((name, *defines)))}.so"
    flags = ["-shared", "-fPIC", "-O1", "-I", ROOT / "rust_plugins/include", *(f"-D{d}" for d in defines)]
    subprocess.run(["cc", *flags, "-o", library, SOURCES / f"{name}.c"], check=True, capture_output=True)
    return library


@functools.cache
def _folder() -> Path:
    _keep.append(tempfile.TemporaryDirectory(prefix="dativo-c-"))
    return Path(_keep[0].name)


_keep: list[tempfile.TemporaryDirectory[str]] = []
