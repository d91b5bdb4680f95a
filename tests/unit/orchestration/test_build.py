from __future__ import annotations

import json
import subprocess
import sys

import dagster as dg

from dativo_dagster.orchestration.build import build_definitions
from dativo_dagster.orchestration.naming import slug

ORDERS = dg.AssetKey(["acme", "sales", "orders"])
SOURCE = dg.AssetKey(["acme", "src", "orders_csv"])
SCHEDULE = 'schedule: {cron: "0 3 * * *", timezone: Europe/Berlin}'


def node(defs, key=ORDERS):
    return defs.resolve_asset_graph().get(key)


def test_a_stream_is_an_asset_downstream_of_its_external_source(folder, write_job):
    write_job()
    defs = build_definitions(folder)
    assert node(defs).parent_keys == {SOURCE}
    assert node(defs, SOURCE).is_external
    assert node(defs).group_name == node(defs, SOURCE).group_name == "acme"


def test_an_asset_says_what_its_job_and_contract_say(folder, write_job):
    path = write_job(more=SCHEDULE)
    table = node(build_definitions(folder))
    assert table.description == "What was ordered."
    assert set(table.owners) == {"team:sales", "data@example.com"}
    assert table.kinds == {"csv", "iceberg"}
    assert table.tags["tenant"] == "acme"
    assert table.tags["domain"] == "sales"
    facts = {key: getattr(value, "value", value) for key, value in table.metadata.items()}
    assert facts["dagster/table_name"] == "sales.orders"
    assert facts["dativo/job_file"] == str(path)
    assert facts["contract_version"] == "2.1.0"
    assert facts["schedule"] == "0 3 * * * (Europe/Berlin)"
    assert facts["write_mode"] == "append"


def test_the_columns_of_an_asset_are_those_of_the_contract(folder, write_job):
    write_job(more="    - {name: code, type: string, unique: true}")
    columns = {c.name: c for c in node(build_definitions(folder)).metadata["dagster/column_schema"].columns}
    assert list(columns) == ["id", "email", "amount", "code"]
    assert columns["id"].description == "Number of the order."
    assert not columns["id"].constraints.nullable
    assert columns["amount"].constraints.nullable
    assert columns["amount"].type == "decimal(12,2)"
    assert columns["email"].tags == {"classification": "pii"}
    assert columns["code"].constraints.unique


def test_the_steps_of_all_assets_are_the_same_three_ops(folder, write_job):
    write_job("orders")
    write_job("returns")
    defs = build_definitions(folder)
    graphs = [defs.resolve_assets_def(ORDERS).node_def, defs.resolve_assets_def(["acme", "sales", "returns"]).node_def]
    assert [[n.name for n in graph.nodes_in_topological_order] for graph in graphs] == [
        ["plan", "extract_write", "commit"]
    ] * 2
    one, other = ({n.name: n.definition for n in graph.nodes} for graph in graphs)
    assert all(one[name] is other[name] for name in one)


def test_every_promise_of_the_contract_is_an_asset_check_before_anything_ran(folder, write_job):
    write_job()
    graph = build_definitions(folder).resolve_asset_graph()
    assert {k.name for k in graph.get(ORDERS).check_keys} == {"schema", "row_count", "types", "id_required"}
    assert {k.name for k in graph.get(SOURCE).check_keys} == {"connection"}


def test_a_job_file_is_a_dagster_job_of_its_streams_and_their_checks(folder, write_job):
    write_job(more=SCHEDULE)
    defs = build_definitions(folder)
    job = defs.resolve_job_def("ingest__acme__orders")
    assert job.asset_layer.selected_asset_keys == {ORDERS}
    assert {key.name for key in job.asset_layer.asset_graph.asset_check_keys} >= {"schema", "id_required"}
    assert job.tags["tenant"] == "acme"


def test_a_schedule_runs_unless_the_file_says_that_it_does_not(folder, write_job):
    write_job("orders", more=SCHEDULE)
    write_job("returns", more='schedule: {cron: "0 4 * * *", enabled: false}')
    schedules = build_definitions(folder).resolve_schedule_def
    on, off = schedules("ingest__acme__orders__schedule"), schedules("ingest__acme__returns__schedule")
    assert (on.cron_schedule, on.execution_timezone) == ("0 3 * * *", "Europe/Berlin")
    assert on.default_status == dg.DefaultScheduleStatus.RUNNING
    assert off.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_broken_file_is_an_asset_that_says_why_and_hides_no_other(folder, write_job):
    write_job()
    (folder / "bad.yaml").write_text("source: {conector: csv}\n")
    defs = build_definitions(folder)
    bad = node(defs, dg.AssetKey(["broken_jobs", slug("bad.yaml")]))
    assert "bad.yaml:1:1" in bad.description
    assert bad.group_name == "broken_jobs"
    assert {k.name for k in bad.check_keys} == {"loads"}
    assert node(defs).parent_keys == {SOURCE}


def test_two_jobs_that_claim_one_table_are_both_shown_as_broken(folder, write_job):
    text = write_job().read_text()
    (folder / "again.yaml").write_text(text)
    graph = build_definitions(folder).resolve_asset_graph()
    broken = {key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "broken_jobs"}
    assert broken == {slug("orders.yaml"), slug("again.yaml")}


def test_a_folder_that_is_not_there_is_shown_and_not_a_crash(tmp_path):
    defs = build_definitions(tmp_path / "none")
    (key,) = defs.resolve_asset_graph().get_all_asset_keys()
    assert "no such folder" in node(defs, key).description


def test_names_that_dagster_does_not_take_still_load(folder, write_job):
    path = write_job()
    path.write_text(
        path.read_text().replace("sales.orders", "sales.or-ders").replace("name: orders", "name: ör ders@1")
    )
    defs = build_definitions(folder)
    assert node(defs, dg.AssetKey(["acme", "sales", "or_x2dders"])).is_materializable
    assert defs.resolve_job_def("ingest__acme___xf6r_x20ders_x401")


def test_loading_definitions_touches_no_data_library_and_no_part_of_a_run(folder, write_job):
    write_job()
    code = """
import json, sys
import dativo_dagster.definitions as d
d.defs.get_repository_def().load_all_definitions()
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={"DATIVO_JOBS": str(folder), "PATH": ""}, capture_output=True, check=True
    )
    modules = set(json.loads(done.stdout))
    assert "dativo_dagster.definitions" in modules
    parts = {f"dativo_dagster.pipeline.{name}" for name in ("run", "jobs", "look", "maintain")}
    assert not modules & {"pyarrow", "pyiceberg", "boto3", "pandas", *parts}
