"""Parts by name: what each needs is said in the registry, and what is not installed is an error that helps."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from dativo_dagster import registry

LINES = [(kind, name, line) for kind, lines in registry.ENTRIES.items() for name, line in lines.items()]
NEEDY = [(kind, name, line) for kind, name, line in LINES if line.needs]

WITHOUT_DRIVERS = """
import contextlib, io, json, sys
from importlib.machinery import ModuleSpec
from pathlib import Path

HIDDEN = sys.argv[1].split(",")

class Hiding:
    def find_spec(self, name, path=None, target=None):
        if any(name == each or name.startswith(each + ".") for each in HIDDEN):
            if Path(name).is_dir():  # then Python takes it for a package without a file
                return ModuleSpec(name, None, is_package=True)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

found = []
sys.meta_path.insert(0, Hiding())
from dativo_dagster.cli import main

for job in sorted(Path().glob("*.yaml")):
    for words in (["validate", str(job)], ["run", "--config", str(job)]):
        with io.StringIO() as told, contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            code = main(words)
            found.append([job.stem, words[0], code, told.getvalue()])
print(json.dumps(found))
"""
HIDDEN = "adbc_driver_manager,adbc_driver_postgresql,pymysql,duckdb,deltalake,docker,google,psycopg2"
FILES = {"source": {"connector": "files", "files": ["in.csv"]}}
LAKE = {"target": {"connector": "files", "path": "lake", "table": "shop.orders"}}
ICEBERG = {"connector": "iceberg", "warehouse": "lake", "table": "shop.orders"}
FUNCTION = {"launcher": "gcp_functions", "project_id": "p"}
JOBS = {
    "a connector of postgres": {"source": {"connector": "postgres", "url": "postgresql://db/x", "table": "t"}},
    "a connector of mysql": {"source": {"connector": "mysql", "url": "mysql://db/x", "table": "t"}},
    "a connector of adbc": {"source": {"connector": "adbc", "driver": "one_of_mine", "url": "x://db", "table": "t"}},
    "a table of postgres": {"target": {"connector": "postgres", "url": "postgresql://db/x", "table": "shop.orders"}},
    "a table of duckdb": {"target": {"connector": "duckdb", "path": "w.duckdb", "table": "shop.orders"}},
    "a table of delta": {"target": {"connector": "delta", "path": "lake", "table": "shop.orders"}},
    "a catalog of postgres": {"target": {**ICEBERG, "catalog": {"type": "sql", "uri": "postgresql://db/c"}}},
    "a place of docker": {"source": {"custom_reader": "mine.py:Mine", "place": "docker"}},
    "a place of gcp": {"source": {"custom_reader": "mine.py:Mine", "place": FUNCTION}},
}


@pytest.fixture(scope="module")
def without_drivers(tmp_path_factory):
    """What each verb said of each job where no driver is installed, with its exit code."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "in.csv").write_text("id\n1\n")
    (folder / "docker").mkdir()
    (folder / "mine.py").write_text("from dativo_ingest.plugins import BaseReader\nclass Mine(BaseReader): ...\n")
    contract = {"contract": {"name": "orders", "schema": [{"name": "id", "type": "int64"}]}}
    for name, sides in JOBS.items():
        (folder / f"{name}.yaml").write_text(json.dumps({"name": "orders", **FILES, **LAKE, **contract, **sides}))
    command = [sys.executable, "-c", WITHOUT_DRIVERS, HIDDEN]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=300)
    return {(name, verb): (code, told) for name, verb, code, told in json.loads(done.stdout)}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_without_its_extra_can_be_validated_and_its_run_says_what_to_install(without_drivers, job):
    install = f"pip install 'dativo-dagster[{job.rpartition(' ')[2]}]'"
    code, noted = without_drivers[job, "validate"]
    assert (code, install in noted) == (0, not job.startswith("a catalog"))  # which only the table's own part knows
    code, told = without_drivers[job, "run"]
    assert code == 2
    assert "MISSING_EXTRA" in told
    assert install in told


@pytest.mark.parametrize(("kind", "name", "line"), NEEDY, ids=[f"{kind} {name}" for kind, name, _ in NEEDY])
def test_an_extra_installs_what_its_part_needs(kind, name, line):
    lines = map(Requirement, metadata.requires("dativo-dagster"))
    installed = {each.name for each in lines if each.marker and each.marker.evaluate({"extra": line.extra})}
    for package in line.needs:
        assert _distributions(package) & installed, f"{kind} {name}: nothing in [{line.extra}] has {package}"


def test_a_line_without_needs_names_no_extra():
    assert [f"{kind} {name}" for kind, name, line in LINES if bool(line.extra) != bool(line.needs)] == []


def _distributions(package):
    """Say which distributions have a package, a part of a namespace too."""
    folder = package.replace(".", "/") + "/"
    by_top = metadata.packages_distributions()[package.partition(".")[0]]
    return {name.lower() for name in by_top if any(str(f).startswith(folder) for f in metadata.files(name) or ())}
