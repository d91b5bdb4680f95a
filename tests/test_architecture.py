"""The house keeps its floors: the import contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dativo_dagster import registry
from dativo_ingest.loader.syntax import tree_of

ROOT = Path(__file__).parents[1]
PACKAGES = ("dativo_ingest", "dativo_dagster")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}

# Contract (by its name), file to plant the offence in, the offence.
OFFENCES = {
    "a lower floor imports a higher one": (
        "Imports only go down",
        "dativo_dagster/formats/csv.py",
        "import dativo_dagster.pipeline.plan",
    ),
    "siblings on a floor import each other": (
        "Imports only go down",
        "dativo_dagster/state/__init__.py",
        "import dativo_dagster.formats.csv",
    ),
    "a folder is on no floor": ("Imports only go down", "dativo_dagster/attic/__init__.py", ""),
    "the SDK imports the platform": (
        "The SDK is the ground floor",
        "dativo_ingest/model.py",
        "def late():\n    import dativo_dagster.registry",
    ),
    "the SDK imports pydantic": (
        "The SDK needs the standard library only",
        "dativo_ingest/model.py",
        "import pydantic",
    ),
    "the pipeline imports dagster": (
        "Dagster is known to orchestration and definitions alone",
        "dativo_dagster/pipeline/plan.py",
        "import dagster",
    ),
    "the pipeline imports a connector": (
        "Nobody imports a shelf: the registry's strings do",
        "dativo_dagster/pipeline/assemble.py",
        "def late():\n    import dativo_dagster.connectors.files",
    ),
    "a check imports another check": (
        "Parts on a shelf do not know each other",
        "dativo_dagster/checks/rows.py",
        "from dativo_dagster.checks import schema",
    ),
}


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def test_every_import_contract_holds():
    found = _lint(ROOT)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("offence", OFFENCES)
def test_an_import_contract_catches(offence, tmp_path):
    contract, file, line = OFFENCES[offence]
    made = shutil.ignore_patterns("__pycache__", "*.so", ".new")  # another test may be building these
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=made)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / file
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as source:
        source.write(f"\n{line}\n")
    found = _lint(tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"{contract} BROKEN" in found.stdout


LATE = {"pyarrow"}  # inside functions, and for types
OWN = {
    "doorways.py": {"dativo_dagster"},
    "pytest_plugin.py": {"pytest"},
    "generated.py": {"pytest"},
    "functions/store.py": {"obstore"},  # a package for a cloud brings it
}


def test_the_sdk_imports_nothing_but_the_standard_library():
    """The contract names what must not come in; this sees whatever else would."""
    for path in (ROOT / "dativo_ingest").rglob("*.py"):
        tree = tree_of(path.read_text())
        known = sys.stdlib_module_names | {"dativo_ingest"} | _own(path)
        for node in ast.walk(tree):
            allowed = known if node in tree.body else known | LATE
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            strangers = {name for name in names if name.partition(".")[0] not in allowed}
            assert not strangers, f"{path}:{node.lineno} imports {strangers}"


def _own(path):
    return set().union(*(names for file, names in OWN.items() if path.as_posix().endswith(f"/{file}")))


def test_no_file_of_the_sdk_shadows_the_standard_library():
    """A script run from its folder would import ours instead."""
    names = {p.stem for p in (ROOT / "dativo_ingest").glob("*.py")} - {"__init__", "__main__"}
    assert not names & sys.stdlib_module_names


def test_files_say_by_their_name_what_is_in_them():
    assert not [path for path in _sources() if path.stem in VAGUE]


def test_every_file_says_what_it_is():
    assert not [path for path in _sources() if not ast.get_docstring(tree_of(path.read_text()))]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, lines in registry.ENTRIES.items() for name in lines])
def test_every_line_of_the_registry_leads_to_a_part_of_the_right_shape(kind, name):
    shape = {
        "connectors": ("Config", "Reader"),
        "tables": ("Config", "Table"),
        "launchers": ("Config", "Launcher"),
        "secrets": ("Config", "Secrets"),
        "checks": ("evaluate",),
    }
    module = registry.load(kind, name)
    assert [part for part in shape[kind] if not hasattr(module, part)] == []


@pytest.mark.parametrize("shelf", ["connectors", "tables", "launchers", "secrets", "checks"])
def test_every_part_on_a_shelf_has_a_test(shelf):
    """A test file is named after it, or imports it."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    texts = "\n".join(path.read_text() for path in files)
    named = {path.stem for path in files if path.parent.name == shelf}
    parts = {path.stem for path in (ROOT / "dativo_dagster" / shelf).iterdir() if not path.stem.startswith("_")}
    module = rf"dativo_dagster\.{shelf}(\.| import .*\b)%s\b"
    assert {part for part in parts if f"test_{part}" not in named and not re.search(module % part, texts)} == set()
