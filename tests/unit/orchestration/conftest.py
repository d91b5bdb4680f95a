"""A folder of jobs on real files, a real catalog and a real Dagster instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

ROWS = "id,email,amount\n1,a@example.com,12.50\n2,b|c@example.com,\n3,,3.00\n"

JOB = """\
name: {name}
tenant: acme
owners: [team:sales, data@example.com]
tags: {{domain: sales}}
source: {{connector: csv, files: [data/{name}*.csv], incremental: file_modified_time}}
target:
  connector: iceberg
  table: sales.{name}
  catalog: {{type: sql, uri: "sqlite:///{root}/catalog.db", warehouse: "file://{root}/lake"}}
contract:
  name: {name}
  version: 2.1.0
  description: What was ordered.
  schema:
    - {{name: id, type: integer, required: true, description: Number of the order.}}
    - {{name: email, type: string, classification: pii}}
    - {{name: amount, type: "decimal(12,2)"}}
{more}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of jobs."""
    made = tmp_path / "jobs"
    made.mkdir()
    return made


@pytest.fixture
def write_job(folder: Path) -> Callable[..., Path]:
    """Write a job, and its source file."""

    def write(name: str = "orders", *, rows: str = ROWS, more: str = "") -> Path:
        data = folder / "data"
        data.mkdir(exist_ok=True)
        (data / f"{name}.csv").write_text(rows)
        path = folder / f"{name}.yaml"
        path.write_text(JOB.format(name=name, root=folder.parent, more=more))
        return path

    return write


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as made:
        yield made


PLUGIN = """\
from dativo_ingest import BaseReader, ConnectionTestResult, DiscoveryResult

ROWS = [{"id": 1, "email": "a@example.com", "amount": "12.50"}]


class ApiReader(BaseReader):
    __version__ = "1.0.0"

    def check_connection(self):
        return ConnectionTestResult(success=True, message="reached")

    def discover(self):
        return DiscoveryResult(objects=[{"name": "orders"}])

    def extract(self, state_manager=None):
        yield ROWS
"""


@pytest.fixture
def write_plugin_job(folder: Path, write_job: Callable[..., Path]) -> Callable[..., Path]:
    """Write a job with a custom reader in Python, and the reader beside it."""

    def write(name: str = "orders", *, code: str = PLUGIN, source: str = "", more: str = "") -> Path:
        plugin = folder / "plugins" / "api.py"
        plugin.parent.mkdir(exist_ok=True)
        plugin.write_text(code)
        path = write_job(name, more=more)
        lines = path.read_text().splitlines()
        custom = f'source: {{custom_reader: "plugins/api.py:ApiReader", objects: [orders]{source}}}'
        path.write_text("\n".join(custom if line.startswith("source:") else line for line in lines) + "\n")
        return path

    return write
