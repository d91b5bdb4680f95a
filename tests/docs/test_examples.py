"""Every example under jobs/ does what its file says."""

from __future__ import annotations

import io
import json
import shutil
from decimal import Decimal
from pathlib import Path

import jsonschema
import open_data_contract_standard
import pyarrow.parquet as pq
import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from dativo_dagster.config.document import read_document
from dativo_dagster.config.load import job_files, load_folder
from dativo_dagster.pipeline.assemble import open_quarantine, open_table

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "jobs"
CITIES = 199_568
CITIES_WITH_GAPS = 18  # 17 without a name in ASCII, 1 without a kind of place


def _rows(job, stream):
    return open_table(job, job.stream(stream)).preview(1_000_000).to_pylist()


def test_all_examples_load_and_each_has_a_test_that_runs_it():
    loaded = load_folder(JOBS)
    assert [problem.message for problem in loaded.problems] == []
    assert {job.path.name for job in loaded.jobs} == {
        "cities_to_json.yaml",
        "events.yaml",
        "legacy_plugins.yaml",
        "orders.yaml",
        "people.yaml",
        "places.yaml",
        "readings.yaml",
        "rust_cities.yaml",
        "shop.yaml",
        "users.yaml",
        "world_cities.yaml",
    }


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_agrees_with_the_schema_that_editors_use(path):
    data = json.loads(json.dumps(read_document(path).data, default=str))
    if "$schema" in data:
        jsonschema.validate(data, json.loads((path.parent / data["$schema"]).read_text()))
    else:
        assert "tenant_id" in data, "only a job of the earlier system may do without"


def test_the_contract_of_the_cities_is_a_true_odcs_file():
    path = JOBS / "contracts" / "world_cities.yaml"
    standard = Path(open_data_contract_standard.__file__).with_name("schema.json")
    data = json.loads(json.dumps(read_document(path).data, default=str))
    jsonschema.validate(data, json.loads(standard.read_text()))
    assert OpenDataContractStandard.from_file(str(path)).apiVersion == "v3.1.0"


def test_the_cities_are_read_whole_and_the_few_with_gaps_are_kept_apart(run):
    job, results = run("world_cities.yaml")
    counts = results["world_cities"].counts
    assert (counts.read, counts.rejected) == (CITIES, CITIES_WITH_GAPS)
    assert counts.written == CITIES - CITIES_WITH_GAPS
    assert {v.rule for v in results["world_cities"].violations} == {"ascii_name_required", "feature_code_required"}
    rows = {row["geoname_id"]: row for row in _rows(job, "world_cities")}
    assert len(rows) == counts.written
    assert {row["country_code"] for row in rows.values() if "Windhoek" in row["name"]} == {"NA"}
    assert rows[3039163]["name"] == "Sant Julià de Lòria"
    assert rows[3039163]["latitude"] == Decimal("42.46372")
    assert rows[3039163]["elevation_m"] is None


def test_a_second_run_of_the_cities_finds_nothing_new_and_a_third_reads_just_the_new_file(run, jobs):
    run("world_cities.yaml")
    _, again = run("world_cities.yaml")
    assert again["world_cities"].status == "nothing_new"
    shutil.copy(jobs / "data" / "cities" / "elsewhere.csv.gz", jobs / "data" / "cities" / "new.csv.gz")
    _, third = run("world_cities.yaml")
    assert (third["world_cities"].units, third["world_cities"].skipped) == (1, 5)


def test_the_bad_orders_are_in_the_quarantine_each_with_its_reason(run):
    job, results = run("orders.yaml")
    counts = results["orders"].counts
    assert (counts.read, counts.written, counts.rejected) == (12, 4, 8)
    assert sorted(row["order_id"] for row in _rows(job, "orders")) == [1001, 1002, 1003, 1011]
    stream = job.stream("orders")
    rejected = open_quarantine(job, stream, open_table(job, stream)).preview(100).to_pylist()
    assert len(rejected) == 8
    assert all(row["reason"] and row["run_id"] and row["record"] for row in rejected)


def test_events_become_parquet_files_by_day_and_keep_their_nested_values(run):
    job, results = run("events.yaml")
    assert results["events"].counts.written == 5
    rows = {str(row["id"])[-2:]: row for row in _rows(job, "events")}
    assert rows["03"]["items"] == [
        {"sku": "A-1", "price": Decimal("19.99")},
        {"sku": "B-2", "price": Decimal("0.10")},
    ]
    assert rows["01"]["visitor"] == {"id": 7, "country": "NA"}
    assert json.loads(rows["01"]["context"]) == {"page": "/", "ab": ["a", 3]}


def test_the_streams_of_the_shop_share_defaults_and_overwrite_their_tables(run, jobs):
    job, first = run("shop.yaml")
    assert {name: result.counts.written for name, result in first.items()} == dict.fromkeys(first, 3)
    assert [s.validation.mode for s in job.streams] == ["strict", "strict", "warn"]
    (jobs / "data" / "shop" / "products.csv").write_text("sku,title,price\nD-4,Umbrella,25.00\n")
    _, second = run("shop.yaml")
    assert {name: result.status for name, result in second.items()} == {
        "customers": "already_committed",
        "products": "committed",
        "stores": "already_committed",
    }
    assert [row["sku"] for row in _rows(job, "products")] == ["D-4"]


@pytest.mark.integration
def test_a_job_of_the_earlier_system_writes_to_s3(run, s3, monkeypatch):
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    job, results = run("people.yaml")
    assert results["people"].counts.written == 5
    rows = {row["id"]: row for row in _rows(job, "people")}
    assert rows[3]["name"] == "Søren Ødegård"
    assert rows[4]["email"] is None
    folder = open_table(job, job.stream("people")).location().removeprefix(f"s3://{s3.bucket}/")
    files = [key for key in s3.keys(f"{folder}/") if key.endswith(".parquet")]
    assert sum(pq.read_metadata(io.BytesIO(s3.get(key))).num_rows for key in files) == 5


def test_every_other_file_beside_the_examples_is_named_by_one():
    named = {path.name for path in job_files(JOBS)}
    used = "".join(path.read_text() for path in JOBS.glob("*.yaml"))
    assert {n for n in named if n not in used and not (JOBS / n).exists()} == set()
