"""The Docker engine: the one that runs, or one that is started for all workers and all sessions of this machine.

An engine that we started is left running: another session may use it by then, and it holds what is slow to build.
A second engine beside the first would take its bridge away, so it is started under a lock.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Client = Any
"""`docker.DockerClient`: the SDK has no types."""

BASE_IMAGES = ("debian:bookworm-slim", "python:3.11-slim-bookworm")
SCRIPT = Path(__file__).parents[2] / "scripts" / "base-images"
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
START_SECONDS = 180.0
"""How long an engine may take to answer; it needs a quarter of a second on a quiet machine."""
LABEL = "dativo.test"
"""On what a test makes in the engine by itself; its value is the session."""


@contextmanager
def engine() -> Iterator[Client]:
    """Give a client of the engine; skip, with the reason, where there is none and none can be started."""
    import docker

    if not answers():
        with locked("dockerd"):
            if not answers():
                _start()
    client = docker.from_env()
    try:
        yield client
    finally:
        client.close()


def answers(**environment: str) -> bool:
    """Ask the engine that an environment names, else that of this process, whether it is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK forgets the socket that it could not connect
        there = _answers(environment or None)
        gc.collect()
    return there


def _answers(environment: dict[str, str] | None) -> bool:
    import requests

    import docker

    try:
        docker.from_env(environment=environment).close()  # it asks for the engine's version
    except (docker.errors.DockerException, requests.exceptions.RequestException):
        return False
    return True


def remove(client: Client, **filters: str) -> None:
    """Remove the containers with a ``label``, such as ``dativo.test=abc``, or in a ``network``; some go meanwhile."""
    for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
        _remove(container)


def _remove(container: Any) -> None:
    import docker

    try:
        container.remove(force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code not in {404, 409}:  # gone, or another is removing it
            raise


def make_base_images() -> None:
    """Build the images that ours are built from, unless the engine has them."""
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{SCRIPT.name} failed:\n{done.stderr[-4000:]}")


def _start() -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # where iptables is, too
    program = shutil.which("dockerd", path=path)
    if program is None:
        pytest.skip("no Docker engine answers and none is installed: run scripts/system-packages")
    if os.geteuid() != 0 or os.environ.get("DOCKER_HOST"):
        pytest.skip("no Docker engine answers, and only root can start the one of this machine: start it")
    if not any(line.split()[2].startswith("cgroup") for line in Path("/proc/mounts").read_text().splitlines()):
        _mount_cgroups(Path("/sys/fs/cgroup"))
    _forget_dead(Path("/var/run/docker.pid"), "dockerd")
    _forget_dead(Path("/var/run/docker/containerd/containerd.pid"), "containerd")
    log = _folder() / "dockerd.log"
    command = ["setsid", "--fork", program]  # in a session of its own: it outlives this one
    with log.open("wb") as out:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, "PATH": path}, check=True
        )
    end = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > end:
            pytest.skip(f"the Docker engine did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _forget_dead(file: Path, program: str) -> None:
    """Remove what says that a program runs, when its number is another's by now: it would not start."""
    if file.exists() and _name(file.read_text().strip()) != program:
        file.unlink()


def _name(number: str) -> str:
    found = Path("/proc", number, "comm")
    return found.read_text().strip() if number.isdigit() and found.exists() else ""


def _mount_cgroups(root: Path) -> None:
    """Mount what a machine without an init system lacks: one hierarchy for each controller that its kernel has."""
    root.mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", root, "mode=755")
    table = [line.split() for line in Path("/proc/cgroups").read_text().splitlines() if not line.startswith("#")]
    known = {name for name, *_, enabled in table if enabled == "1"}
    for name in (*(name for name in CONTROLLERS if name in known), "systemd"):
        (root / name).mkdir()
        _mount("cgroup", root / name, name if name != "systemd" else "none,name=systemd")


def _mount(kind: str, folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", kind, "-o", options, kind, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the Docker engine needs cgroups, and they cannot be mounted: {done.stderr.strip()}")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process of this machine at a time do something."""
    with (_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dativo"
    cache.mkdir(parents=True, exist_ok=True)
    return cache
