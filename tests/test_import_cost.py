"""Importing costs what it must and no more; told by the modules that come in, since seconds depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {
    "boto3",
    "botocore",
    "docker",
    "fsspec",
    "google.api_core",
    "google.auth",
    "numpy",
    "obstore",
    "pandas",
    "pyarrow",
    "pyiceberg",
}


def _imported(statement: str, *options: str, env: dict[str, str] | None = None) -> set[str]:
    """Give the modules that a fresh interpreter has after the statement."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; import json; print(json.dumps(list(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env
    )
    return set(json.loads(found.stdout.splitlines()[-1]))


EVERY_MODULE = """
import importlib, pkgutil, dativo_ingest
for name in dativo_ingest.__all__:
    getattr(dativo_ingest, name)
for module in pkgutil.walk_packages(dativo_ingest.__path__, "dativo_ingest."):
    if module.name != "dativo_ingest.testing.pytest_plugin":  # pytest itself loads it
        importlib.import_module(module.name)
"""


def test_every_module_of_the_sdk_imports_without_any_installed_package():
    every = f"exec({EVERY_MODULE!r})"
    strangers = {m.partition(".")[0] for m in _imported(every, "-S", "-I")} - sys.stdlib_module_names
    assert strangers == {"dativo_ingest", "__main__"} - sys.stdlib_module_names


def test_the_sdk_loads_nothing_of_itself_before_it_is_asked():
    assert {m for m in _imported("import dativo_ingest", "-S") if m.startswith("dativo_ingest")} == {"dativo_ingest"}


def test_the_code_location_loads_with_all_example_jobs_and_without_any_data_library():
    loaded = _imported("import dativo_dagster.definitions as d; assert list(d.defs.resolve_all_asset_keys())")
    assert HEAVY & loaded == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_command_line_answers_without_loading_dagster_or_a_data_library(arguments):
    run = f"from dativo_dagster.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass"
    loaded = _imported(run)
    assert (HEAVY | {"dagster"}) & loaded == set()
