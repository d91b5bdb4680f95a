"""The libraries of rust_plugins/, built when a test or a benchmark asks for one.

Cargo decides whether there is anything to build, and locks its folder while it does: workers of pytest-xdist may ask
at the same time.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORKSPACE = Path(__file__).parents[1] / "rust_plugins"
SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def target_dir() -> Path:
    """Give the folder that cargo builds into: one for all checkouts, because it is large and slow to fill."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CARGO_TARGET_DIR") or cache / "dativo" / "cargo")


def native_program(name: str) -> Path:
    """Give the program of the crate ``name``, such as the bootstrap of Lambda; built as `native_library` says."""
    return native_library(name).parent / name


@functools.cache
def native_library(name: str) -> Path:
    """Give the shared library of the crate ``name``, built from the sources as they are now.

    A machine without Rust fails the test: what is built in Rust is not optional here. The whole workspace is built, as
    `scripts/rust` does, because cargo compiles arrow anew for each set of crates that are built together.
    """
    cargo("build", "--workspace")
    library = f"{name.replace('-', '_')}{SUFFIX}"
    return target_dir() / "release" / (library if sys.platform == "win32" else f"lib{library}")


def cargo(verb: str, *arguments: str) -> str:
    """Run cargo in the workspace, in release mode, and give what it printed."""
    program = shutil.which("cargo")
    if program is None:
        pytest.fail("the libraries of rust_plugins/ are built with cargo, which is not on the path: rustup.rs")
    done = subprocess.run(
        [program, verb, "--release", "--locked", "--quiet", *arguments],
        cwd=WORKSPACE,
        env={**os.environ, "CARGO_TARGET_DIR": str(target_dir())},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"cargo {verb} {' '.join(arguments)} failed:\n{done.stderr[-8000:]}")
    return done.stdout
