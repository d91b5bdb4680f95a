"""What a job may say of a container, and what no job may: a setting that leaves no walls is refused, not obeyed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dativo_dagster.launchers.docker.config import PLATFORM, Config
from dativo_dagster.launchers.docker.room import Mounted, settings


def refused(**said):
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(said)
    return str(caught.value)


@pytest.mark.parametrize("path", ["/var/run/docker.sock", "/run/docker.sock", "/run", "/var", "/", "/var/lib/docker/x"])
def test_what_rules_the_engine_is_never_given(path):
    assert "engine" in refused(mounts=[path])


def test_a_link_to_it_neither(tmp_path):
    (tmp_path / "data").symlink_to("/var/run/docker.sock")
    assert "engine" in refused(mounts=[str(tmp_path / "data")])


def test_nor_the_socket_of_the_engine_that_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/mine.sock")
    assert "engine" in refused(mounts=[str(tmp_path)])


@pytest.mark.parametrize("path", ["/proc", "/proc/sys/kernel", "/sys", "/dev", "/dev/sda"])
def test_what_is_the_kernels_is_never_given(path):
    assert "kernel" in refused(mounts=[path])


@pytest.mark.parametrize("path", ["/io", "/io/out", "/plugin", "/plugin/x.py", "/opt", "/opt/dativo"])
def test_nothing_is_put_over_what_is_the_places_own(path):
    assert "its own" in refused(mounts=[path])


@pytest.mark.parametrize("path", [PLATFORM, PLATFORM / "dativo_dagster" / "launchers", PLATFORM.parent])
def test_the_platforms_code_is_never_given_to_be_changed(path):
    assert "platform" in refused(mounts=[{"path": str(path), "writable": True}])


def test_it_may_be_given_to_be_read():
    assert Config(mounts=(str(PLATFORM / "docs"),)).mounts[0].writable is False


@pytest.mark.parametrize("path", ["data", "../data", "/data:/etc", "", "/data/../io"])
def test_a_mount_is_one_absolute_path(path):
    refused(mounts=[path])


@pytest.mark.parametrize("user", ["0", "0:0", "00", "root", "10001:docker", "-1", "10001:0"])
def test_nobody_is_root(user):
    refused(user=user)


def test_a_user_has_no_group_but_his_own():
    assert settings(Config(user="1000"), {}, [])["user"] == "1000:1000"
    assert settings(Config(user="1000:7"), {}, [])["user"] == "1000:7"


@pytest.mark.parametrize("cpus", [0, 1e-10, float("inf"), float("nan")])
def test_a_share_of_the_processors_that_the_engine_takes_for_all_of_them_is_refused(cpus):
    refused(cpus=cpus)


@pytest.mark.parametrize("network", ["container:other", "", "none other", "/var/run/x"])
def test_the_network_of_another_container_is_none_of_the_jobs(network):
    refused(network=network)


@pytest.mark.parametrize(
    "option",
    ["privileged", "cap_add", "devices", "pid_mode", "ipc_mode", "userns_mode", "security_opt", "volumes", "read_only"],
)
def test_what_the_engine_knows_and_a_job_may_not_say_is_refused(option):
    assert "Extra inputs" in refused(**{option: True})


def test_every_way_in_which_a_job_makes_the_walls_wider_can_be_said():
    assert list(Config().openings()) == []
    wide = Config(
        image="acme/runner:1",
        network="host",
        mounts=("/data", {"path": "/out", "writable": True}),
        environment={"TOKEN": "s3cret"},
        seccomp_profile="mine.json",
        runtime="runsc",
        user="1000",
    )
    assert list(wide.openings()) == [
        "network host",
        "/data to read",
        "/out to read and write",
        "variables TOKEN",
        "image acme/runner:1",
        "seccomp_profile mine.json",
        "runtime runsc",
        "user 1000",
    ]


def test_a_volume_of_an_image_hides_nothing_that_the_job_gives():
    given = [Mounted("/srv/shop", "/data"), Mounted("/srv/old", "/old/")]
    said = settings(Config(), {}, given, ["/data/", "/old", "/tmp/", "/cache/"])
    assert said["tmpfs"].keys() == {"/tmp", "/cache"}
