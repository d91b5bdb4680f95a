"""What a hostile plugin tries in a container of ours is refused; most of it works in an ordinary one.

The settings are those of the place; the program in the container is the attack alone, so that each is seen by itself.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from dativo_dagster.launchers.docker.config import Config
from dativo_dagster.launchers.docker.room import Mounted, settings
from tests.fakes import escapes
from tests.servers.docker import BASE_IMAGES

pytestmark = [
    pytest.mark.docker,
    pytest.mark.integration,
    pytest.mark.xdist_group("docker"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are those of x86_64"),
]

LIMITS = Config(memory_mb=256, pids=64, tmp_mb=64)
KILLED = 137

# What an ordinary container, whose user is root, lets a program do. The rest the engine refuses by itself, or only a
# machine without any container would allow it.
WORKS_ELSEWHERE = {
    "internet_socket", "raw_socket", "name_server", "write_root", "write_etc", "write_plugin", "read_shadow",
    "fill_tmp", "run_from_tmp", "memory_bomb", "fork_bomb", "be_root", "have_capabilities", "shared_memory",
    "dump_core", "ptrace", "chroot", "memfd_create", "io_uring_setup",
}  # fmt: skip


@pytest.fixture(scope="module")
def plugin_folder(tmp_path_factory):
    """A copy: an attack that works elsewhere writes into it."""
    folder = tmp_path_factory.mktemp("plugin")
    copy = folder / "escapes.py"
    copy.write_text(Path(escapes.__file__).read_text())
    folder.chmod(0o777)
    copy.chmod(0o644)
    folder.parent.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def attack(base_images, docker_label, plugin_folder):
    """Try an attack in a container with ``options``; gives its exit status and whether the kernel killed for memory."""

    def tried(name, options):
        told = {"image": BASE_IMAGES[1], "entrypoint": ["python"], "command": ["/plugin/escapes.py", name], **options}
        container = base_images.containers.create(**told)
        try:
            container.start()
            status = container.wait()["StatusCode"]
            container.reload()
            return status, container.attrs["State"]["OOMKilled"]
        finally:
            container.remove(force=True, v=True)

    def both(name, *, limited):
        if not limited:
            volume = {str(plugin_folder): {"bind": "/plugin", "mode": "rw"}}
            return tried(name, {"labels": docker_label, "volumes": volume})
        kept = settings(LIMITS, docker_label, [Mounted(str(plugin_folder), "/plugin")])
        return tried(name, {name: value for name, value in kept.items() if name not in {"entrypoint", "command"}})

    return both


@pytest.mark.parametrize("name", [*escapes.ATTACKS, *escapes.CALLS])
def test_an_attack_is_refused(name, attack, monkeypatch):
    monkeypatch.setenv("DATIVO_ESCAPE_SECRET", "s3cret")
    status, out_of_memory = attack(name, limited=True)
    assert (status, out_of_memory) == ((KILLED, True) if name == "memory_bomb" else (1, False))


@pytest.mark.parametrize("name", sorted(WORKS_ELSEWHERE))
def test_the_attack_works_where_nothing_holds_it(name, attack):
    assert attack(name, limited=False) == (0, False)
