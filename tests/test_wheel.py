"""The wheel has the libraries that are written in Rust where there is cargo, and says so where there is none."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dativo_dagster.functions.glibc import needs
from tests.native import SUFFIX, native_library, native_program, target_dir

ROOT = Path(__file__).parents[1]
LIBRARIES = {f"dativo_dagster/native/lib{name}{SUFFIX}" for name in ("csv_reader", "parquet_writer")}
PROGRAM = "dativo_dagster/native/lambda_bootstrap"


@pytest.fixture
def without_cargo(tmp_path):
    """The environment of a machine that has no Rust, and hardly anything else."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "cat", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    return {"PATH": str(tools), "HOME": str(tmp_path)}


def build(folder, **environment):
    """Give the wheel, what it holds, and what the build said."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=ROOT,
        env={**os.environ, "CARGO_TARGET_DIR": str(target_dir()), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return wheel, set(archive.namelist()), done.stderr


@pytest.mark.rust
def test_a_wheel_that_is_built_with_cargo_has_the_libraries_and_the_platform_in_its_name(tmp_path):
    native_library("csv_reader")
    wheel, names, _ = build(tmp_path)
    assert names >= LIBRARIES | {PROGRAM}
    if sys.platform == "linux":
        built = native_library("csv_reader"), native_library("parquet_writer"), native_program("lambda_bootstrap")
        needed = max(needs(file).glibc for file in built)
        assert wheel.name.endswith(f"-py3-none-manylinux_{needed[0]}_{needed[1]}_{platform.machine()}.whl")
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    assert not any(name.startswith("rust_plugins") for name in names)


def test_without_cargo_the_wheel_is_pure_and_says_what_it_lacks(tmp_path, without_cargo):
    wheel, names, said = build(tmp_path, **without_cargo)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not any(name.startswith("dativo_dagster/native/") for name in names)
    assert "without native:csv_reader and native:parquet_writer: cargo not on the path; Rust is at" in said


def test_a_pure_wheel_can_be_asked_for(tmp_path):
    wheel, _, said = build(tmp_path, DATIVO_PURE="1")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "DATIVO_PURE is set" in said


def test_make_rust_without_cargo_fails_and_says_what_is_missing(without_cargo):
    done = subprocess.run(
        ["bash", "scripts/rust", "build"], cwd=ROOT, env=without_cargo, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No Rust: cargo is not on the path" in done.stderr
    assert "native:csv_reader" in done.stderr
