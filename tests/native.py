"""The libraries of rust_plugins/, built when a test or a benchmark asks for one.

Cargo decides whether there is anything to build, and locks its folder while it does: workers of pytest-xdist may ask
at the same time.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKSPACE = ROOT / "rust_plugins"
SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def target_dir() -> Path:
    """Give the folder that cargo builds into: one for all checkouts, because it is large and slow to fill."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CARGO_TARGET_DIR") or cache / "dativo" / "cargo")


def native_program(name: str) -> Path:
    """Give the program of the crate ``name``, such as the bootstrap of Lambda; built as `native_library` says."""
    return native_library(name).parent / name


def native_library(name: str) -> Path:
    """Give the shared library of the crate ``name``, built from the sources as they are now.

    A machine without Rust fails the test: what is built in Rust is not optional here.
    """
    return _built() / f"lib{name.replace('-', '_')}{SUFFIX}"


@functools.cache
def _built() -> Path:
    done = subprocess.run(
        ["bash", ROOT / "scripts" / "rust", "compile", "folder"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"the libraries of rust_plugins/ cannot be built:\n{done.stderr[-8000:]}")
    return Path(done.stdout.strip())
