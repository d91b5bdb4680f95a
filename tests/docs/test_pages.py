"""What the documents show is true: their YAML loads, their commands run, their links and tests are there."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dativo_dagster.config.contractfile import load_contract
from dativo_dagster.config.document import read_document
from dativo_dagster.config.kinds import is_job
from dativo_dagster.config.load import load_job
from dativo_ingest.loader.syntax import tree_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BIN = Path(sys.executable).parent
# Commands that make, build or serve something of their own are tried elsewhere: tests/integration, tests/ui, CI.
ELSEWHERE = ("make", "dagster", "docker", "git", ".", "cd")
VARIABLES = {"S3_BUCKET": "lake", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def _blocks(*languages: str, pages=PAGES) -> Iterator[Block]:
    for page in pages:
        for match in re.finditer(r"^```(\S+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            if match[1] in languages:
                yield Block(page, page.read_text().count("\n", 0, match.start()) + 1, match[1], match[2])


def _yaml_blocks(*, jobs: bool) -> list[Block]:
    return [b for b in _blocks("yaml") if _is_whole(b) and _is_job(b) is jobs]


def _is_whole(block: Block) -> bool:
    """Say whether a block is a file: a part of one says so in its first line."""
    return not block.text.startswith("# part")


def _is_job(block: Block) -> bool:
    keys = re.findall(r"^([\w$]+):", block.text, re.MULTILINE)
    return is_job(dict.fromkeys(keys))


@pytest.fixture
def beside_the_examples(tmp_path, monkeypatch):
    """The examples' folder as a copy, which blocks are written into, so that what they name is there."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs", ignore=shutil.ignore_patterns("data"))
    monkeypatch.chdir(tmp_path)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "jobs"


@pytest.mark.parametrize("block", _yaml_blocks(jobs=True), ids=str)
def test_a_job_in_a_document_loads(block, beside_the_examples):
    path = beside_the_examples / "shown.yaml"
    path.write_text(block.text)
    assert load_job(path).streams


@pytest.mark.parametrize("block", _yaml_blocks(jobs=False), ids=str)
def test_a_contract_in_a_document_is_one(block, beside_the_examples):
    path = beside_the_examples / "contracts" / "shown.yaml"
    path.write_text(block.text)
    keys = read_document(path).data
    if "default_engine" in keys or "runner" in keys or "services" in keys or "load_from" in keys:
        pytest.fail("say in the first line `# part` when a block is neither a job nor a contract")
    assert load_contract(path).fields


@dataclass(frozen=True)
class Command:
    """One command of a console block, with what a page says it prints."""

    text: str
    output: str


def _commands(block: Block) -> list[Command]:
    found: list[list[list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append([[re.sub(r"\s+# .*", "", line[2:])], []])
        elif found and line.startswith(">") and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    return [Command("\n".join(said), "\n".join(printed)) for said, printed in found]


def _same(text: str, folder: Path) -> str:
    """Leave out what differs from run to run: places, identifiers, times and sizes of compressed files."""
    text = re.sub(r"file:///\S*?/\.dativo", "file:///.dativo", text.replace(str(folder), ""))
    text = re.sub(r"\b[0-9a-f]{24}\b|\b\d{15,}\b", "ID", text)
    text = re.sub(r"\b\d+\.\d\d s\b|\b\d+:\d\d\b", "TIME", text)
    text = re.sub(r"\b\d+\.\d kB\b", "SIZE", text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "quickstart.md"], ids=lambda p: p.name)
def test_the_commands_of_a_page_do_what_it_shows(page, tmp_path):
    (tmp_path / "data").mkdir()
    if page.name == "README.md":
        shutil.copy(ROOT / "jobs" / "data" / "people.csv", tmp_path / "data")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    ran = 0
    for block in _blocks("console", pages=[page]):
        for command in _commands(block):
            words = [word for word in command.text.split() if "=" not in word]
            if words[0] in ELSEWHERE or command.text == "mkdir data":
                continue
            ran += 1
            done = subprocess.run(
                ["bash", "-c", command.text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode in (0, 1, 2), (str(block), command.text, done.stderr)
            if command.output:
                assert _same(done.stdout, tmp_path) == _same(command.output, tmp_path), (str(block), done.stderr)
            else:
                assert done.returncode == 0, (str(block), command.text, done.stdout, done.stderr)
    assert ran > 3


def _links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    dead = []
    for link in _links(page):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in _anchors(target)):
            dead.append(link)
    assert dead == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def _named_tests(page: Path) -> Iterator[tuple[str, str]]:
    """Give each `test_name` of a page with the test file that it is linked to."""
    yield from re.findall(r"\[`?(test_\w+)`?\]\(([^)]+)\)", page.read_text())


def _functions(source: str) -> set[str]:
    return {node.name for node in ast.walk(tree_of(source)) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "guarantees.md"], ids=lambda p: p.name)
def test_every_promise_names_a_test_that_there_is(page):
    named = list(_named_tests(page))
    missing = [(name, path) for name, path in named if name not in _functions((page.parent / path).read_text())]
    assert missing == []
    assert len(named) > 5


def test_every_page_says_what_its_reader_can_do_after_it():
    ours = [page for page in PAGES if page.parent.name == "docs" or page.name == "CONTRIBUTING.md"]
    assert [p.name for p in ours if not p.read_text().split("\n\n")[1].startswith("After this page")] == []


def test_every_page_is_reachable_from_the_front():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for link in _links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if "://" not in link and target.exists():
                todo += sorted(target.glob("*.md")) if target.is_dir() else [target]
    assert {str(p.relative_to(ROOT)) for p in PAGES if p not in seen} == set()
