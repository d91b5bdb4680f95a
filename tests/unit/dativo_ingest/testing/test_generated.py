"""One call gives an author a test for each check; pytest shows what it saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dativo_ingest.testing import READER_CHECKS, WRITER_CHECKS, hostile

ROOT = Path(__file__).parents[4]

READER = """
from dativo_ingest import BaseReader, ConnectionTestResult, DiscoveryResult


class Numbers(BaseReader):
    def check_connection(self):
        if self.source_config.connection.get("key") == "wrong":
            return ConnectionTestResult(False, "the key is refused", "AUTH_FAILED")
        return ConnectionTestResult(True, "fine")

    def discover(self):
        columns = [{"name": "id", "type": "integer"}]
        return DiscoveryResult([{"name": "numbers", "type": "table", "columns": columns}])

    def extract(self, state_manager=None):
        for page in range(3):
            yield [{"id": 10 * page + i} for i in range(10)]
"""
TESTS = """
from contextlib import contextmanager
from dativo_ingest.testing import reader_tests

@contextmanager
def source():
    print("source: up")
    yield {{"connection": {{"key": "right"}}}}
    print("source: down")

TestNumbers = reader_tests(
    "numbers_reader.py:Numbers", source, rows={rows}, broken={{"connection": {{"key": "wrong"}}}}, exempt={exempt}
)
"""


@pytest.fixture
def author(tmp_path):
    """A folder of an author with a reader; gives a function that runs pytest in it."""
    (tmp_path / "numbers_reader.py").write_text(READER)

    def run(*options, rows=30, exempt=None, tests=TESTS):
        (tmp_path / "test_numbers.py").write_text(tests.format(rows=rows, exempt=exempt))
        environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "error", "-m", "pytest"]
        more = ["-p", "no:randomly", "-p", "no:cacheprovider", "-rs", *options]
        return subprocess.run(
            [*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_an_honest_reader_gets_a_green_test_for_each_check(author):
    done = author("-v")
    assert done.returncode == 0, done.stdout
    names = [f"TestNumbers::test_{check.name} " for check in READER_CHECKS]
    assert [name for name in names if name not in done.stdout] == []
    assert "failed" not in done.stdout


def test_a_check_that_fails_says_what_was_seen_what_to_do_and_why(author):
    done = author(rows=31)
    assert done.returncode == 1
    assert "does not keep this promise: All units together give every row of the source, once." in done.stdout
    for said in ("seen: 30 rows in 1 units, and the source has 31", "do: ", "why: A row that is in no unit is lost"):
        assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_an_exemption_is_skipped_with_its_reason(author):
    done = author(rows=31, exempt={"rows_complete": "the API samples"})
    assert done.returncode == 0, done.stdout
    assert "exempt: the API samples" in done.stdout


@pytest.mark.parametrize(
    ("exempt", "said"),
    [({"rows_complete": " "}, "has no reason"), ({"row_complete": "because"}, "there is no check 'row_complete'")],
    ids=["without a reason", "from nothing"],
)
def test_an_exemption_is_refused(exempt, said, author):
    done = author(exempt=exempt)
    assert done.returncode == 1
    assert said in done.stdout


def test_a_source_is_started_once_and_ended(author):
    said = author("-s").stdout
    assert (said.count("source: up"), said.count("source: down")) == (1, 1)


def test_one_option_runs_all_plugins_in_another_place(author):
    done = author("--dativo-place", "process", "-k", "answers or two_reads")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    done = author("--dativo-place", "moon", "-k", "answers")
    assert "no launcher is called 'moon'" in done.stdout


def test_one_option_writes_the_outcomes(author, tmp_path):
    author("--dativo-report", "outcomes.json", rows=31)
    found = json.loads((tmp_path / "outcomes.json").read_text())
    assert {o["name"] for o in found} == {c.name for c in READER_CHECKS}
    assert [o["remark"] for o in found if o["status"] == "failed"] == ["30 rows in 1 units, and the source has 31"]
    assert {o["plugin"] for o in found} == {"numbers_reader.py:Numbers"}


def test_a_writer_gets_its_tests(author):
    tests = """
from dativo_ingest.testing import writer_tests
TestWriter = writer_tests("json_writer.py:Lines", commits=True, exempt={{"errors_coded": "it cannot be refused"}})
"""
    done = author("-v", tests=tests)
    assert [f"test_{c.name} " for c in WRITER_CHECKS if f"test_{c.name} " not in done.stdout] == []
    assert "not found: there is no json_writer.py" in done.stdout


def test_the_plugin_loads_nothing_but_itself(author, tmp_path):
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\ndef test_nothing():\n"
        "    ours = {m for m in sys.modules if m.startswith(('dativo_', 'pyarrow'))}\n"
        "    expected = {'dativo_ingest', 'dativo_ingest.testing', 'dativo_ingest.testing.pytest_plugin'}\n"
        "    assert ours == expected\n"
    )
    done = author("test_nothing.py")
    assert done.returncode == 0, done.stdout


def test_the_hostile_reader_can_be_named_like_any_plugin(author, tmp_path):
    tests = """
from dativo_ingest.testing import reader_tests, hostile
TestIt = reader_tests(hostile.__file__ + ":HostileReader", {{"fault": "rows_random"}}, rows=90)
"""
    done = author("-k", "two_reads_equal or ends", tests=tests)
    assert "1 failed, 1 passed" in done.stdout
    assert hostile.__file__


def test_both_distributions_bring_the_plugin_to_pytest():
    for file in (ROOT / "pyproject.toml", ROOT / "packaging" / "dativo-plugin-sdk" / "pyproject.toml"):
        _, _, section = file.read_text().partition("[project.entry-points.pytest11]\n")
        assert section.startswith('dativo = "dativo_ingest.testing.pytest_plugin"\n'), file


def test_an_installed_sdk_needs_no_option_to_bring_it(author, tmp_path):
    """As pip leaves it: a folder on the path that names the entry point."""
    info = tmp_path / "site" / "some_sdk-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-sdk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest11]\ndativo = dativo_ingest.testing.pytest_plugin\n")
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    environment = {**os.environ, "CI": "", "PYTHONPATH": f"{ROOT}{os.pathsep}{info.parent}"}
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-q",
        "--dativo-report",
        "outcomes.json",
        "test_nothing.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "outcomes.json").read_text()) == []
