"""The files that say how it runs elsewhere agree with each other and with Dagster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

ROOT = Path(__file__).parents[3]


def read(name):
    return yaml.safe_load((ROOT / name).read_text())


def test_the_instance_of_a_clone_is_one_that_dagster_takes(tmp_path):
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert isinstance(instance.run_coordinator, dg.QueuedRunCoordinator)


def test_the_workspace_loads_the_code_location():
    (entry,) = read("workspace.yaml")["load_from"]
    assert entry["python_module"]["module_name"] == "dativo_dagster.definitions"


def test_the_containers_find_each_other():
    services = read("docker-compose.yml")["services"]
    (entry,) = read("docker/workspace.yaml")["load_from"]
    host, port = entry["grpc_server"]["host"], str(entry["grpc_server"]["port"])
    assert host in services
    assert port in services[host]["command"]
    assert set(services) == {"postgres", "code", "webserver", "daemon"}


@pytest.mark.parametrize("variable", ["POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"])
def test_every_variable_of_the_instance_is_given_to_every_container(variable):
    wanted = read("docker/dagster.yaml")["storage"]["postgres"]["postgres_db"].values()
    services = read("docker-compose.yml")["services"]
    assert {"env": variable} in wanted
    assert all(variable in services[name]["environment"] for name in ("code", "webserver", "daemon"))


def test_services_wait_for_those_they_need():
    services = read("docker-compose.yml")["services"]
    for name in ("webserver", "daemon"):
        for needed, how in services[name]["depends_on"].items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[needed]
    assert "healthcheck" in services["postgres"]


def test_the_image_holds_what_the_containers_run():
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    copied = [line.split()[1] for line in dockerfile.splitlines() if line.startswith("COPY")]
    assert all((ROOT / name).exists() for name in copied)
    assert ".[ui,postgres]" in dockerfile
