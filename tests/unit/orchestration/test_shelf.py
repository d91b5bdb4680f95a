"""Which resources a code location has, as its repository tells the UI."""

from __future__ import annotations

import json

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from dativo_dagster.orchestration.build import build_definitions

ORDERS = dg.AssetKey(["acme", "sales", "orders"])


def resources(folder):
    """Give what the Resources tab gets, by key."""
    snap = RepositorySnap.from_def(build_definitions(folder).get_repository_def())
    return {resource.name: resource for resource in snap.resources if resource.name not in {"jobs", "places"}}


def values(resource):
    """Give the configuration of a resource."""
    return {name: json.loads(value) for name, value in resource.configured_values.items() if value != '""'}


def test_streams_that_are_read_and_written_alike_share_their_two_resources(folder, write_job):
    write_job("orders")
    write_job("returns")
    found = resources(folder)
    assert set(found) == {"reader__csv", "writer__iceberg"}
    assert values(found["reader__csv"]) == {"connector": "csv"}
    assert {len(resource.asset_keys_using) for resource in found.values()} == {2}


def test_a_plugin_is_a_resource_that_says_which_where_and_with_what_limits(folder, write_plugin_job):
    write_plugin_job(source=", place: {launcher: process, memory_mb: 512}")
    reader = resources(folder)["reader__plugins_api_ApiReader"]
    assert values(reader) == {
        "plugin": f"{folder}/plugins/api.py:ApiReader",
        "place": "process",
        "limits": {"memory_mb": 512},
    }
    assert reader.asset_keys_using == [ORDERS]


def test_a_secret_among_the_limits_of_a_place_is_masked(folder, write_plugin_job):
    write_plugin_job(source=", place: {launcher: process, environment: {API_TOKEN: canary, MODE: fast}}")
    limits = values(resources(folder)["reader__plugins_api_ApiReader"])["limits"]
    assert limits == {"environment": {"API_TOKEN": "***", "MODE": "fast"}}


def test_a_place_that_nobody_chose_is_shown_as_it_will_be(folder, write_plugin_job):
    write_plugin_job()
    assert values(resources(folder)["reader__plugins_api_ApiReader"])["place"] == "local"


def test_one_plugin_in_two_places_is_two_resources(folder, write_plugin_job):
    write_plugin_job("orders")
    write_plugin_job("returns", source=", place: process")
    found = {key: values(resource)["place"] for key, resource in resources(folder).items() if "api" in key}
    assert sorted(found.values()) == ["local", "process"]


def test_plugins_of_one_name_in_two_folders_are_two_resources(folder, write_plugin_job):
    path = write_plugin_job("orders")
    other = folder / "other"
    other.mkdir()
    (other / "returns.yaml").write_text(path.read_text().replace("orders", "returns").replace("data/", "../data/"))
    plugins = {values(resource)["plugin"] for key, resource in resources(folder).items() if "api" in key}
    assert plugins == {f"{folder}/plugins/api.py:ApiReader", f"{other}/plugins/api.py:ApiReader"}


def test_a_plugin_that_is_not_there_breaks_its_run_and_not_the_code_location(folder, write_plugin_job, instance):
    write_plugin_job()
    (folder / "plugins" / "api.py").unlink()
    defs = build_definitions(folder)
    assert "reader__plugins_api_ApiReader" in defs.resources
    result = defs.resolve_job_def("ingest__acme__orders").execute_in_process(instance=instance, raise_on_error=False)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data.metadata["code"].value == "PLUGIN_NOT_FOUND"


@pytest.mark.parametrize("place", ["local", "process"])
def test_the_library_of_a_native_plugin_is_a_resource_inside_where_the_run_loads_it(folder, write_plugin_job, place):
    path = write_plugin_job(source=f", place: {place}")
    path.write_text(path.read_text().replace("plugins/api.py:ApiReader", "libnative.so:create_reader"))
    (reader,) = [resource for key, resource in resources(folder).items() if key.startswith("reader")]
    assert set(reader.nested_resources) == ({"library"} if place == "local" else set())


def test_no_plugin_runs_and_no_library_loads_for_a_definition(folder, write_plugin_job):
    write_plugin_job(code="raise SystemExit('a definition ran a plugin')")
    assert resources(folder)


def test_what_a_job_asks_of_its_reader_is_shown_on_its_asset_without_secrets(folder, write_plugin_job, monkeypatch):
    monkeypatch.setenv("BASE", "https://api.example.com")
    monkeypatch.setenv("NOT_NAMED_LIKE_ONE", "hunter2-canary")
    write_plugin_job(
        source=', connection: {url: "${BASE}/v1", key: "${NOT_NAMED_LIKE_ONE}", password: literal-canary}, '
        "credentials: {user: also-canary}"
    )
    defs = build_definitions(folder)
    shown = defs.resolve_asset_graph().get(ORDERS).metadata["reader"].value
    assert shown["connection"] == {"url": "${BASE}/v1", "key": "${NOT_NAMED_LIKE_ONE}", "password": "***"}
    assert shown["credentials"] == "***"
    assert shown["plugin"] == "plugins/api.py:ApiReader"
    assert "canary" not in dg.serialize_value(RepositorySnap.from_def(defs.get_repository_def()))
