"""What other tests take for granted: an engine, the base images, and that nothing of ours is left in it."""

from __future__ import annotations

import uuid

import pytest

import docker
from tests.servers import docker as docker_server

pytestmark = [pytest.mark.docker, pytest.mark.integration, pytest.mark.xdist_group("docker")]


PROGRAM = """
import os, sys, sysconfig, ssl, sqlite3, pip
installed = os.path.samefile(sysconfig.get_path("purelib"), "/usr/local/lib/python3.11/site-packages")
print(sys.version_info[:2], sys.executable, installed)
"""


def test_the_base_images_have_the_layout_of_the_official_ones(base_images, docker_label):
    said = base_images.containers.run(docker_server.BASE_IMAGES[1], ["python", "-c", PROGRAM], labels=docker_label)
    base_images.images.get(docker_server.BASE_IMAGES[0])
    assert said.decode() == "(3, 11) /usr/local/bin/python True\n"


def test_only_what_carries_the_label_is_removed(base_images, docker_label):
    mine = {docker_server.LABEL: uuid.uuid4().hex}
    made = [base_images.containers.create("debian:bookworm-slim", labels=labels) for labels in (mine, docker_label)]
    docker_server.remove(base_images, label=f"{docker_server.LABEL}={mine[docker_server.LABEL]}")
    with pytest.raises(docker.errors.NotFound):
        made[0].reload()
    made[1].reload()


def test_an_engine_that_is_away_is_told_apart(base_images, tmp_path):
    assert docker_server.answers()
    assert not docker_server.answers(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
