"""The Docker engine: reached, and what it refuses said in words that tell what to do."""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from dativo_dagster.owner import host_label
from dativo_ingest.exceptions import SandboxError

Client = Any
"""`docker.DockerClient`: the SDK has no types."""
_SCHEME = "unix://"
_SOCKET = "/var/run/docker.sock"
_LOCAL = "http+docker://localhost"
"""What the SDK calls an engine behind a unix socket."""
_PATIENCE_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
_FRACTION = re.compile(r"\.\d+")
_NO_SUCH_PATH = "bind source path does not exist"
BEING_REMOVED = frozenset({404, 409})
"""What is said of a container that is gone, or that another, such as `docker container prune`, is about to remove."""


def connect() -> Client:
    """Connect to the engine that DOCKER_HOST names, else the one of this machine.

    Raises:
        SandboxError: ``DOCKER_UNAVAILABLE``: there is none.
    """
    import docker

    url = os.environ.get("DOCKER_HOST") or _SCHEME + _SOCKET
    if url.startswith(_SCHEME):
        _must_listen(url.removeprefix(_SCHEME))
    with refusals("the engine"):
        return docker.from_env(use_ssh_client=url.startswith("ssh://"))  # asks the engine for its version


def is_elsewhere(client: Client) -> bool:
    """Tell whether the engine is reached over a network."""
    return bool(client.api.base_url != _LOCAL)


def sees_files(client: Client, image: str) -> bool:
    """Tell whether an engine behind a unix socket has the files of this machine.

    It has not where it runs in a virtual machine, nor where this process is in a container itself. One that goes by the
    name of this machine is believed; another is asked to make a container that sees a folder of ours.
    """
    import docker

    if sys.platform != "linux":
        return False
    with refusals("the engine"), tempfile.TemporaryDirectory() as folder:
        if client.info()["Name"] == socket.gethostname():
            return True
        mount = docker.types.Mount("/seen", folder, type="bind", read_only=True)
        labels = {"dativo": "1", "dativo.host": host_label()}
        try:
            client.containers.create(image, mounts=[mount], labels=labels).remove()
        except docker.errors.APIError as error:
            if _NO_SUCH_PATH not in str(error.explanation):
                raise
            return False
    return True


def _must_listen(path: str) -> None:
    """Knock first: the SDK leaves a socket open that it could not connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(_PATIENCE_SECONDS)
        try:
            knocking.connect(path)
        except OSError as error:
            raise _unavailable(f"{path}: {error.strerror or error}") from error


def answers(client: Client) -> bool:
    """Ask the engine whether it is there; one that is frozen takes what it is told, and the SDK waits for a minute."""
    import requests

    with suppress(requests.exceptions.RequestException):
        client.api.get(f"{client.api.base_url}/_ping", timeout=_ANSWER_SECONDS)
        return True
    return False


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise what the engine refuses as an error of ours; ``what`` says of what it is asked.

    Raises:
        SandboxError: ``DOCKER_UNAVAILABLE``, ``DOCKER_REFUSED``.
    """
    import requests

    import docker

    try:
        yield
    except docker.errors.APIError as error:
        raise _refused(what, error) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise _unavailable(error) from error


def _refused(what: str, error: Any) -> SandboxError:
    said = str(error.explanation or error)
    hint = ""
    if _NO_SUCH_PATH in said:
        hint = (
            "; `mounts` name what is on the engine's machine; where it has no file of this one, say `transport: attach`"
        )
    elif "seccomp" in said:
        hint = "; look at `seccomp_profile`"
    elif "runtime" in said and "OCI runtime create failed" not in said:
        hint = "; `docker info` lists the runtimes that the engine has: install it there, or leave out `runtime`"
    elif "network" in said:
        hint = "; `docker network ls` lists what `network` may name"
    details = {"status": error.status_code}
    return SandboxError(f"{what}: the Docker engine refused: {said}{hint}", "DOCKER_REFUSED", details, retryable=False)


def _unavailable(error: object) -> SandboxError:
    message = "no Docker engine answers; start it (`docker info` must work for this user), set DOCKER_HOST, or choose "
    message += f"another `place`: {error}"
    return SandboxError(message, "DOCKER_UNAVAILABLE", retryable=True)


def has_image(client: Client, name: str) -> bool:
    """Tell whether the engine has an image."""
    import docker

    with refusals(f"image {name}"):
        try:
            client.images.get(name)
        except docker.errors.ImageNotFound:
            return False
    return True


def volumes(client: Client, image: str) -> set[str]:
    """Give the folders for which an image asks the engine's disk: it would give each, without a limit."""
    return set(client.images.get(image).attrs["Config"].get("Volumes") or ())


def when(text: str) -> datetime:
    """Read the engine's time: in nanoseconds, and in UTC or the zone of its machine, which tags of images have."""
    return datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))
