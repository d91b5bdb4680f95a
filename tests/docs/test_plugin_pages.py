"""The pages about plugins are walked through as a reader would: files are written, commands are run, in order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dativo_ingest import model
from tests.native import target_dir

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
FILE = re.compile(r"^(?:#|//) ([\w./-]+\.\w+)\n")


def blocks(page: Path):
    for match in re.finditer(r"^```(\S+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        yield match[1], match[2]


RUST = pytest.param("plugins-rust.md", marks=[pytest.mark.rust, pytest.mark.timeout(1200)])


@pytest.mark.parametrize("name", ["plugins-python.md", RUST, "plugins-testing.md"])
def test_whoever_follows_the_page_gets_what_it_says(name, tmp_path):
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("CARGO_TARGET_DIR", None)
    (tmp_path / "dativo").symlink_to(ROOT)  # a clone beside the reader's own folders
    ran = 0
    for language, text in blocks(DOCS / name):
        if language == "console":
            for command in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
                done = subprocess.run(
                    ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
                )
                told = (0, 1) if command.startswith("dativo run") else (0,)  # 1: done, with rows rejected
                assert done.returncode in told, (command, done.stdout, done.stderr)
                ran += 1
                if command.startswith("cargo new"):  # arrow is compiled once for all crates, not anew for this one
                    (tmp_path / command.split()[-1] / "target").symlink_to(target_dir())
        elif found := FILE.match(text):
            path = tmp_path / found[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[found.end() :] if language in ("json", "text") else text)
    assert ran > 5


@pytest.mark.parametrize("role", ["reader", "writer"])
def test_the_page_on_testing_names_every_promise(role):
    from dativo_ingest.testing import READER_CHECKS, WRITER_CHECKS

    checks = READER_CHECKS if role == "reader" else WRITER_CHECKS
    _, _, section = (DOCS / "plugins-testing.md").read_text().partition(f"## The promises of a {role}\n")
    listed = re.findall(r"^\| `(\w+)` \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert listed == [(check.name, check.sentence) for check in checks]


def test_the_json_of_the_abi_is_that_of_the_classes():
    (shapes,) = (json.loads(text) for language, text in blocks(DOCS / "abi.md") if language == "json")
    assert set(shapes) == {"Stream", "Unit", "Cursor", "Window", "DataFile"}
    for name, shape in shapes.items():
        assert getattr(model, name).from_json(shape).to_json() == shape


def test_the_ten_lines_of_the_front_page_read_the_planets(tmp_path):
    (plugin,) = (text for language, text in blocks(ROOT / "README.md") if language == "python")
    (tmp_path / "planets.py").write_text(plugin)
    (tmp_path / "job.yaml").write_text("""\
source: {custom_reader: "planets.py:Planets", place: process}
target: {connector: parquet, path: out, table: sky.planets}
contract: {name: planets, schema: [{name: name, type: string}, {name: moons, type: int64}]}
""")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["dativo", "run", "job.yaml", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (stream,) = json.loads(done.stdout)["streams"]
    assert stream["counts"]["written"] == 3
