"""The SDK is a distribution of its own: built, installed alone into a fresh environment, and a plugin is run there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import dativo_ingest

FOLDER = Path(__file__).parents[1] / "packaging" / "dativo-plugin-sdk"
USE = """
import sys
import dativo_ingest
from dativo_ingest import PluginLoader
from dativo_ingest.config import JobConfig, SourceConfig
from dativo_ingest.exceptions import ConfigurationError

reader = PluginLoader.load_reader(sys.argv[1])(SourceConfig(type="custom", objects=["a", "b"]))
assert [row for page in reader.extract() for row in page] == [{"name": "a"}, {"name": "b"}]
try:
    JobConfig.from_yaml("job.yaml")
except ConfigurationError as error:
    assert error.error_code == "PLATFORM_MISSING"
else:
    raise AssertionError("there should be no platform")
print(dativo_ingest.__version__, dativo_ingest.__file__)
"""
PLUGIN = """
from dativo_ingest import BaseReader
class Names(BaseReader):
    requires_sdk = ">=1.0,<2"
    def extract(self, state_manager=None):
        yield [{"name": name} for name in self.source_config.objects]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns("__pycache__"))  # with files in place of links
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (found,) = folder.glob("*.whl")
    return found


def test_it_holds_the_sdk_and_nothing_else_and_needs_nothing(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(n).decode() for n in names if n.endswith("/METADATA"))
    assert {n.partition("/")[0] for n in names} == {
        "dativo_ingest",
        f"dativo_plugin_sdk-{dativo_ingest.__version__}.dist-info",
    }
    here = {p.relative_to(FOLDER.parents[1]).as_posix() for p in Path(dativo_ingest.__path__[0]).rglob("*.py")}
    assert {n for n in names if n.endswith(".py")} == here
    assert "dativo_ingest/py.typed" in names
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert all("extra ==" in line for line in needs)


@pytest.mark.slow
def test_a_plugin_runs_where_only_the_sdk_is_installed(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", wheel]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "names.py").write_text(PLUGIN)
    (tmp_path / "use.py").write_text(USE)
    done = subprocess.run(
        [python, "-I", tmp_path / "use.py", f"{tmp_path / 'names.py'}:Names"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, place = done.stdout.split()
    assert version == dativo_ingest.__version__
    assert Path(place).is_relative_to(tmp_path / "env")
