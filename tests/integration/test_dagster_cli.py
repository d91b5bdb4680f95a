"""The commands of Dagster that people type, each in a process of its own with an instance of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.waiting import until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ORDERS = dg.AssetKey(["acme", "sales", "orders"])
JOB = """\
name: {name}
tenant: acme
source: {{connector: csv, files: [data/{name}*.csv]}}
target:
  connector: iceberg
  table: sales.{name}
  catalog: {{type: sql, uri: "sqlite:///{root}/catalog.db", warehouse: "file://{root}/lake"}}
contract:
  name: {name}
  schema:
    - {{name: id, type: integer, required: true}}
    - {{name: amount, type: "decimal(12,2)"}}
"""


class Location:
    """A folder of jobs, a DAGSTER_HOME, and the command `dagster` on them."""

    def __init__(self, root: Path) -> None:
        self.root, self.jobs, self.home = root, root / "jobs", root / "home"
        (self.jobs / "data").mkdir(parents=True)
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    def job(self, name: str, rows: str) -> None:
        """Write a job and its source."""
        (self.jobs / f"{name}.yaml").write_text(JOB.format(name=name, root=self.root))
        (self.jobs / "data" / f"{name}.csv").write_text("id,amount\n" + rows)

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables of a process."""
        return {**os.environ, "DAGSTER_HOME": str(self.home), "DATIVO_JOBS": str(self.jobs)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command."""
        command = [sys.executable, "-W", "ignore", "-m", "dagster", *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def dagster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=250)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def instance(self) -> dg.DagsterInstance:
        """Open the instance."""
        return dg.DagsterInstance.from_config(str(self.home))


@pytest.fixture
def location(tmp_path):
    made = Location(tmp_path)
    made.job("orders", "1,1.50\n2,2.50\n")
    return made


def facts(location):
    with location.instance() as instance:
        event = instance.get_latest_materialization_event(ORDERS)
        return {k: v.value for k, v in event.asset_materialization.metadata.items()}


def test_job_execute_runs_a_job_of_the_code_location_and_again_finds_nothing_new(location):
    command = ("job", "execute", "-m", "dativo_dagster.definitions", "-j", "ingest__acme__orders")
    first = location.dagster(*command)
    assert first.returncode == 0, first.stdout
    assert (facts(location)["status"], facts(location)["rows_written"]) == ("committed", 2)
    again = location.dagster(*command)
    assert again.returncode == 0, again.stdout
    assert facts(location)["status"] in {"already_committed", "nothing_new"}


def test_asset_materialize_takes_the_same_assets(location):
    done = location.dagster("asset", "materialize", "-m", "dativo_dagster.definitions", "--select", "acme/sales/orders")
    assert done.returncode == 0, done.stdout
    assert facts(location)["rows_written"] == 2


def test_job_launch_starts_a_run_from_the_workspace(location):
    done = location.dagster("job", "launch", "-w", "workspace.yaml", "-j", "ingest__acme__orders")
    assert done.returncode == 0, done.stdout
    with location.instance() as instance:
        (run,) = instance.get_runs()
    assert run.job_name == "ingest__acme__orders"
    assert run.tags["tenant"] == "acme"


def test_a_job_that_breaks_its_contract_ends_with_an_error_code(location):
    location.job("orders", "1,1.50\n,2.50\n")
    done = location.dagster("job", "execute", "-m", "dativo_dagster.definitions", "-j", "ingest__acme__orders")
    assert done.returncode != 0
    assert "id_required" in done.stdout


def test_a_broken_file_leaves_the_others_to_run_and_says_why(location):
    (location.jobs / "bad.yaml").write_text("source: {conector: csv}\n")
    done = location.dagster("job", "execute", "-m", "dativo_dagster.definitions", "-j", "ingest__acme__orders")
    assert done.returncode == 0, done.stdout
    assert "bad.yaml:1:1" in done.stdout


def test_a_run_that_is_ended_is_cancelled_and_leaves_nothing_behind(location):
    location.job("orders", "".join(f"{n},{n % 1000}.25\n" for n in range(300_000)))
    data = location.jobs / "data"
    for n in range(60):
        os.link(data / "orders.csv", data / f"orders_{n}.csv")
    process = location.start("job", "execute", "-m", "dativo_dagster.definitions", "-j", "ingest__acme__orders")
    until(lambda: list(location.root.glob("lake/**/*.parquet")) or process.poll() is not None, 150)
    assert process.poll() is None, "the run ended by itself"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "STEP_UP_FOR_RETRY" not in output
    assert not list(location.root.glob("lake/**/*.parquet"))
    with location.instance() as instance:
        assert instance.get_latest_materialization_event(ORDERS) is None
