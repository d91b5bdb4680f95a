"""The pages about plugins are walked through as a reader would: files are written, commands are run, in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BIN = Path(sys.executable).parent
FILE = re.compile(r"^(?:#|//) ([\w./-]+\.\w+)\n")


def blocks(page: Path):
    for match in re.finditer(r"^```(\S+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        yield match[1], match[2]


@pytest.mark.parametrize("name", ["plugins-python.md"])
def test_whoever_follows_the_page_gets_what_it_says(name, tmp_path):
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
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
        elif found := FILE.match(text):
            path = tmp_path / found[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[found.end() :] if language == "json" else text)
    assert ran > 5
