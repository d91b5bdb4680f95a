"""What a target may say of merging, and what is told before anything runs."""

from pathlib import Path

import pytest

from dativo_dagster.config.job import Merge
from dativo_dagster.config.load import load_job
from dativo_ingest.exceptions import ConfigurationError

CONTRACT = """\
name: orders
schema:
  - {name: id, type: int64, required: true, primary_key: true}
  - {name: region, type: string, required: true}
  - {name: updated_at, type: timestamp}
  - {name: price, type: double}
  - {name: lines, type: "list<string>"}
  - {name: raw, type: json}
  - {name: paid, type: boolean}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("orders.contract.yaml").write_text(CONTRACT)


def target(said):
    text = f"""\
source: {{connector: csv, files: [orders.csv]}}
target: {{connector: iceberg, table: shop.orders, {said}}}
contract: orders.contract.yaml
"""
    Path("job.yaml").write_text(text)
    return load_job(Path("job.yaml"), environment={}).streams[0].target


def test_the_key_is_that_of_the_contract_unless_the_job_names_one():
    assert target("mode: merge").merge == Merge(key=("id",))
    assert target("mode: merge, key: [region, id], order_by: updated_at").merge == Merge(
        key=("region", "id"), order_by="updated_at"
    )


def test_history_has_columns_of_other_names_when_the_job_says_so():
    merge = target("mode: scd2, history: {valid_from: since, valid_to: until, is_current: now}").merge
    assert merge == Merge(key=("id",), valid_from="since", valid_to="until", is_current="now")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("mode: merge, key: [price]", "column 'price' is double, whose values cannot tell rows apart"),
        ("mode: merge, key: [id, lines]", "column 'lines' is list<string>, whose values cannot tell rows apart"),
        ("mode: merge, key: [raw]", "column 'raw' is json, whose values cannot tell rows apart"),
        ("mode: merge, key: [idd]", "the contract has no column 'idd'"),
        ("mode: merge, order_by: paid", "column 'paid' is boolean, whose values cannot put rows in order"),
        ("mode: merge, order_by: lines", "column 'lines' is list<string>, whose values cannot put rows in order"),
        ("mode: merge, deleted_column: nope", "the contract has no column 'nope'"),
        ("mode: append, order_by: id", "'order_by' is for the modes merge and scd2, and this is append"),
        ("mode: scd2, history: {valid_from: region}", "the contract has region already"),
        ("mode: scd2, history: {valid_from: at, valid_to: at}", "two of them have one name"),
    ],
)
def test_what_cannot_be_is_told_with_its_place_before_anything_runs(said, answer):
    with pytest.raises(ConfigurationError) as caught:
        target(said)
    assert caught.value.error_code == "BAD_JOB"
    assert answer in caught.value.message
    assert "2:" in caught.value.message
