"""A working directory with a job, and the command run in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dativo_dagster.cli import main

JOB = """\
name: {name}
tenant: {tenant}
source: {{connector: csv, files: ["data/{name}*.csv"], incremental: file_modified_time}}
target: {{connector: parquet, warehouse: lake, table: shop.{name}}}
contract:
  name: {name}
  schema:
    - {{name: id, type: int64, required: true}}
    - {{name: email, type: string, pattern: "@"}}
validation: {validation}
"""
ROWS = "id,email\n1,a@x\n2,b@x\n3,c@x\n"


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def event(self, kind: str) -> dict[str, Any]:
        [found] = [e for e in self.events if e.get("event_type") == kind]
        return found


@dataclass
class Desk:
    """A working directory."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    def job(self, name: str = "people", rows: str = ROWS, *, tenant: str = "acme", validation: str = "strict") -> Path:
        (self.path / "data" / f"{name}.csv").write_text(rows)
        file = self.path / "jobs" / f"{name}.yaml"
        file.write_text(JOB.format(name=name, tenant=tenant, validation=validation))
        return file

    def __call__(self, *arguments: str) -> Answer:
        self.capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        said = self.capsys.readouterr()
        return Answer(code, said.out, said.err)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An empty working directory with folders for jobs and data."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATIVO_JOBS", "DATIVO_SECRET_MANAGER", "DATIVO_SECRET_MANAGER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "data").mkdir()
    return Desk(tmp_path, capsys)
