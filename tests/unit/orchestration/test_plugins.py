"""Readers and writers as resources: in the ops of jobs, and in code that nobody generated."""

from __future__ import annotations

import dataclasses
import importlib.util
import traceback
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.orchestration.byhand import Given
from dativo_dagster.orchestration.plugins import ReaderResource, WriterResource
from dativo_ingest.exceptions import ConfigurationError, PluginError, ValidationError
from dativo_ingest.model import Usage

ROOT = Path(__file__).parents[3]
CONTRACT = {
    "name": "orders",
    "schema": [
        {"name": "id", "type": "int64", "required": True},
        {"name": "email", "type": "string", "pattern": ".+@.+"},
        {"name": "amount", "type": "decimal(12,2)"},
    ],
}
ASKS_FOR_A_TOKEN = """\
from dativo_ingest import BaseReader, ConnectionTestResult


class ApiReader(BaseReader):
    def check_connection(self):
        return ConnectionTestResult(success=True, message=f"token of {len(self.source_config.credentials['token'])}")

    def extract(self, state_manager=None):
        yield [{"id": 1, "email": self.source_config.credentials["token"] + "@x", "amount": "1.00"}]
"""


@pytest.fixture
def csv(tmp_path):
    """A reader of a small CSV file."""
    (tmp_path / "orders.csv").write_text("id,email,amount\n1,a@x,12.5\n2,nobody,\n")
    return ReaderResource(connector="csv", options={"files": "orders.csv"}, base=str(tmp_path))


@pytest.fixture
def lake(tmp_path):
    """A writer of tables below a folder."""
    return WriterResource(
        connector="iceberg",
        options={"catalog": {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"file://{tmp_path}/w"}},
    )


def rows(*ids):
    return pa.table({"id": list(ids), "email": ["a@x"] * len(ids), "amount": ["1.00"] * len(ids)})


def run(folder, instance, **options):
    job = build_definitions(folder).resolve_job_def("ingest__acme__orders")
    return job.execute_in_process(instance=instance, raise_on_error=False, **options)


def written(result):
    """Give the first rows of the table, as the run shows them."""
    (event,) = result.asset_materializations_for_node("acme__sales__orders.commit")
    return event.metadata["first_rows"].value


# --- by hand


def test_code_reads_batches_of_the_contracts_types(csv):
    table = pa.Table.from_batches(list(csv.read(CONTRACT, validation="warn")))
    assert table.schema.types == [pa.int64(), pa.string(), pa.decimal128(12, 2)]
    assert table.num_rows == 2


def test_code_gets_no_row_that_breaks_the_contract_unless_it_says_so(csv):
    with pytest.raises(ValidationError, match="email_pattern"):
        list(csv.read(CONTRACT))


def test_a_contract_may_be_a_file_beside_the_rest(csv, tmp_path):
    (tmp_path / "c.yaml").write_text("name: c\nschema: [{name: id}, {name: email}, {name: amount}]\n")
    assert sum(batch.num_rows for batch in csv.read("c.yaml")) == 2


def test_a_slip_in_the_options_is_told_as_in_a_job_file(tmp_path):
    reader = ReaderResource(connector="csv", options={"filez": "orders.csv"})
    with pytest.raises(ConfigurationError, match=r"source\.filez.*files"):
        list(reader.read(CONTRACT))


def test_a_write_is_one_commit_for_each_token(lake):
    first = lake.write(rows(1, 2), CONTRACT, table="s.orders", token="a")
    again = lake.write(rows(1, 2), CONTRACT, table="s.orders", token="a")
    other = lake.write(rows(3), CONTRACT, table="s.orders", token="b")
    assert [r.status for r in (first, again, other)] == ["committed", "already_committed", "committed"]
    assert other.snapshot.total_rows == 3


@pytest.mark.parametrize(
    "given",
    [rows(1), rows(1).to_reader(), rows(1).to_batches(), iter(rows(1).to_batches()), rows(1).to_batches()[0]],
    ids=["table", "reader", "batches", "iterator", "batch"],
)
def test_a_write_takes_whatever_is_arrow(lake, given):
    assert lake.write(given, CONTRACT, table="s.orders", token="a").counts.written == 1


def test_a_write_that_breaks_the_contract_commits_nothing(lake, tmp_path):
    bad = pa.table({"id": [None], "email": ["a@x"], "amount": ["1"]})
    with pytest.raises(ValidationError):
        lake.write(bad, CONTRACT, table="s.orders", token="a")
    assert lake.write(rows(1), CONTRACT, table="s.orders", token="a").snapshot.total_rows == 1


def test_a_plugin_is_checked_asked_and_read_like_a_connector(write_plugin_job, folder):
    write_plugin_job()
    reader = ReaderResource(plugin="plugins/api.py:ApiReader", base=str(folder))
    assert reader.check().passed
    assert [stream.name for stream in reader.discover()] == ["orders"]
    assert [batch.to_pylist()[0]["id"] for batch in reader.read(CONTRACT)] == [1]


def test_both_ends_can_be_asked_whether_they_are_there(csv, lake, tmp_path):
    assert csv.check().passed
    assert lake.check().passed
    (tmp_path / "orders.csv").unlink()
    assert not csv.check().passed


def test_an_asset_by_hand_goes_through_dagster_with_the_resources(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("by_hand", ROOT / "examples" / "hand_written_asset.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    result = example.defs.resolve_implicit_global_asset_job_def().execute_in_process()
    (event,) = result.asset_materializations_for_node("demo__geo__capitals")
    assert event.metadata["status"].value == "committed"
    assert event.metadata["dagster/row_count"].value == 241


# --- secrets


def test_a_secret_itself_is_refused_before_dagster_could_store_it():
    with pytest.raises(ConfigurationError) as caught:
        ReaderResource(plugin="a.py:A", options={"credentials": [{"api_key": "hunter2"}]})
    assert caught.value.error_code == "SECRET_IN_RESOURCE"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("said", [dg.EnvVar("API_TOKEN"), "${API_TOKEN}"])
def test_a_secret_is_stored_by_its_name_and_put_in_where_it_is_used(said, write_plugin_job, folder, monkeypatch):
    write_plugin_job(code=ASKS_FOR_A_TOKEN)
    monkeypatch.setenv("DATIVO_SECRET__ACME__API_TOKEN", "canary")
    reader = ReaderResource(
        plugin="plugins/api.py:ApiReader", base=str(folder), tenant="acme", options={"credentials": {"token": said}}
    )
    seen = []

    @dg.asset
    def orders(api: ReaderResource) -> None:
        seen.extend(row for batch in api.read(CONTRACT) for row in batch.to_pylist())

    defs = dg.Definitions(assets=[orders], resources={"api": reader})
    snapshot = dg.serialize_value(RepositorySnap.from_def(defs.get_repository_def()))
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process().success
    assert seen[0]["email"] == "canary@x"
    assert "canary" not in snapshot
    assert "${API_TOKEN}" in snapshot


def test_what_a_plugin_raises_or_answers_by_hand_has_no_secret_in_it(write_plugin_job, folder, monkeypatch):
    code = ASKS_FOR_A_TOKEN.replace("yield [", "raise ValueError(self.source_config.credentials)\n        yield [")
    write_plugin_job(code=code.replace("of {len(self.source_config.credentials['token'])}", "{self.source_config}"))
    monkeypatch.setenv("DATIVO_SECRET__ACME__API_TOKEN", "canary-of-the-run")
    options = {"credentials": {"token": "${API_TOKEN}"}}
    reader = ReaderResource(plugin="plugins/api.py:ApiReader", base=str(folder), tenant="acme", options=options)
    assert "canary" not in str(reader.check().to_json())
    with pytest.raises(PluginError) as caught:
        list(reader.read(CONTRACT))
    assert "ValueError" in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


# --- in jobs


def test_a_run_reads_through_the_resource_so_that_another_can_stand_in(folder, write_job, instance):
    write_job()

    class Stand(ReaderResource):
        def reader(self, job, stream):
            return nullcontext(Given(rows(41, 42), "t"))

    defs = build_definitions(folder)
    resources = {**defs.resources, "reader__csv": Stand()}
    (orders,) = [a for a in defs.assets if isinstance(a, dg.AssetsDefinition)]
    result = dg.materialize([orders], instance=instance, resources=resources)
    assert "| 41 |" in written(result)


def test_what_a_paid_place_took_is_shown_with_the_asset(folder, write_job, instance):
    write_job()
    took = Usage(place="aws_lambda", verb="read", unit="1", seconds=1.5, memory_mb=512, peak_mb=100, usd=0.25)

    class Billed(Given):
        usage = (took, dataclasses.replace(took, unit="2", usd=0.5))

    class Stand(ReaderResource):
        def reader(self, job, stream):
            return nullcontext(Billed(rows(41, 42), "t"))

    defs = build_definitions(folder)
    (orders,) = [a for a in defs.assets if isinstance(a, dg.AssetsDefinition)]
    result = dg.materialize([orders], instance=instance, resources={**defs.resources, "reader__csv": Stand()})
    (event,) = result.asset_materializations_for_node("acme__sales__orders.commit")
    assert (event.metadata["billed_seconds"].value, event.metadata["estimated_usd"].value) == (3.0, 0.75)
    lines = [(line.data["unit"], line.data["memory_mb"], line.data["usd"]) for line in event.metadata["usage"].records]
    assert lines == [("1", 512, 0.25), ("2", 512, 0.5)]


@pytest.mark.parametrize("place", ["local", "process"])
def test_a_job_with_a_plugin_runs_in_any_place(folder, write_plugin_job, instance, place):
    write_plugin_job(source=f", place: {place}")
    result = run(folder, instance)
    assert "| 1 | ••• | 12.50 |" in written(result)
    (event,) = result.asset_materializations_for_node("acme__sales__orders.commit")
    assert event.metadata["reader_place"].value == f"{place}: the job says `place`"


@pytest.mark.parametrize("place", ["local", "process"])
def test_an_edited_plugin_is_used_by_the_next_run_of_the_same_process(folder, write_plugin_job, instance, place):
    write_plugin_job(source=f", place: {place}")
    job = build_definitions(folder).resolve_job_def("ingest__acme__orders")
    plugin = folder / "plugins" / "api.py"
    first = written(job.execute_in_process(instance=instance))
    plugin.write_text(plugin.read_text().replace('"id": 1', '"id": 7'))
    second = written(job.execute_in_process(instance=instance))
    assert "| 7 |" not in first
    assert "| 7 |" in second


def test_what_a_plugin_raises_is_stored_without_the_jobs_secrets(folder, write_plugin_job, instance, monkeypatch):
    monkeypatch.setenv("DATIVO_SECRET__ACME__API_TOKEN", "canary-of-the-run")
    write_plugin_job(
        code=ASKS_FOR_A_TOKEN.replace("yield [", "raise ValueError(self.source_config.credentials)\n        yield ["),
        source=', credentials: {token: "${API_TOKEN}"}',
    )
    result = run(folder, instance)
    stored = [dg.serialize_value(entry) for entry in instance.all_logs(result.run_id)]
    assert not result.success
    assert any("ValueError" in text for text in stored)
    assert not [text for text in stored if "canary" in text]
