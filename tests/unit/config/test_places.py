"""Where a job says that a plugin runs, in our words and in those of the earlier system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dativo_dagster.config.job import Job, Place, Source
from dativo_dagster.config.places import asked
from dativo_ingest.exceptions import ConfigurationError

PLUGIN = "api.py:Reader"


def place(side=None, *, cloud=None, sandbox=None, mode="self_hosted"):
    """Give what a job asks for."""
    options = {"engine": {"cloud_execution": cloud}} if cloud is not None else {}
    source = Source(connector="plugin", plugin=PLUGIN, place=side, options=options)
    return asked(Job(name="j", tenant="t", path=Path("j.yaml"), streams=(), sandbox=sandbox, mode=mode), source)


def code(**said):
    with pytest.raises(ConfigurationError) as caught:
        place(**said)
    return caught.value.error_code


def test_a_job_that_says_nothing_leaves_it_open():
    assert place() is None
    assert place(cloud={}) is None
    assert place(cloud={"enabled": False, "provider": "gcp"}) is None
    assert place(sandbox={"enabled": False}) is None


@pytest.mark.parametrize(("said", "cloud"), [("false", False), ("0", False), ("no", False), ("true", True), (1, True)])
def test_a_switch_may_come_from_the_environment(said, cloud):
    assert (place(cloud={"enabled": said}) is not None) is cloud


def test_what_a_place_leaves_open_is_as_the_sandbox_says():
    found = place(Place(launcher="docker", options={"cpus": 2.0}), sandbox={"memory_limit": "1g", "cpu_limit": 0.5})
    assert found.options == {"memory_mb": 1024, "cpus": 2.0}


def test_the_place_of_a_plugin_goes_before_all_else():
    own = Place(launcher="docker", options={"memory_mb": 3})
    found = place(own, cloud={"enabled": True}, sandbox={"memory_limit": "1g"}, mode="cloud")
    assert found == replace(own, why="the job says `place`")


@pytest.mark.parametrize("other", ["local", "process", "aws_lambda", "gcp_functions"])
def test_a_sandbox_is_not_undone_by_a_place_that_is_no_container(other):
    asks = Place(launcher=other)
    assert code(side=asks, sandbox={}) == "PLACE_CONFLICT"
    assert place(asks, sandbox={"enabled": False}).launcher == other
    assert place(asks, mode="cloud").launcher == other


def test_a_sandbox_is_not_undone_by_cloud_execution():
    assert code(cloud={"enabled": True}, sandbox={"network_disabled": True}) == "PLACE_CONFLICT"
    assert place(cloud={"enabled": True}, mode="cloud").launcher == "aws_lambda"


def test_cloud_execution_says_what_the_place_in_the_cloud_is():
    said = {
        "enabled": True,
        "provider": "AWS",
        "runtime": "provided.al2",
        "memory_mb": 1024,
        "timeout_seconds": 600,
        "environment_variables": {"LOG_LEVEL": "INFO", "PAGES": 3},
        "aws": {"role_arn": "arn:r", "subnets": ["s"]},
        "gcp": {"project_id": "not asked for"},
    }
    found = place(cloud=said)
    assert (found.launcher, found.why) == ("aws_lambda", "the job says `engine.cloud_execution`")
    assert found.options == {
        "runtime": "provided.al2",
        "memory_mb": 1024,
        "timeout_seconds": 600,
        "environment": {"LOG_LEVEL": "INFO", "PAGES": "3"},
        "role_arn": "arn:r",
        "subnets": ["s"],
    }
    assert place(cloud={"enabled": True, "provider": "gcp", "gcp": {"project_id": "p"}}).launcher == "gcp_functions"
    assert code(cloud={"enabled": True, "provider": "azure"}) == "BAD_PLACE"


def test_a_sandbox_becomes_a_container_with_the_same_limits():
    said = {
        "cpu_limit": 0.5,
        "memory_limit": "512m",
        "network_disabled": True,
        "timeout": 60,
        "seccomp_profile": "p.json",
        "container_image": "mine",
    }
    assert place(sandbox=said) == Place(
        launcher="docker",
        options={
            "cpus": 0.5,
            "memory_mb": 512,
            "network": "none",
            "timeout_seconds": 60,
            "seccomp_profile": "p.json",
            "image": "mine",
        },
        why="the job says `plugins.sandbox`",
    )
    assert place(sandbox={"network_disabled": False}).options == {"network": "bridge"}
    assert place(sandbox={}).options == {}


@pytest.mark.parametrize(
    ("text", "mebibytes"), [("512m", 512), ("1.5 GiB", 1536), ("1t", 1024**2), ("2048k", 2), ("1048576", 1)]
)
def test_sizes_are_read_as_docker_reads_them(text, mebibytes):
    assert place(sandbox={"memory_limit": text}).options["memory_mb"] == mebibytes


@pytest.mark.parametrize("text", ["much", "-1g", "12", "1x"])
def test_a_size_that_is_none_is_no_limit_that_is_dropped(text):
    assert code(sandbox={"memory_limit": text}) == "BAD_PLACE"


def test_the_cloud_mode_confines_what_the_job_leaves_open():
    assert place(mode="cloud") == Place(launcher="docker", why="`--mode cloud` confines plugins")
    assert place(sandbox={"enabled": False}, mode="cloud") is None
