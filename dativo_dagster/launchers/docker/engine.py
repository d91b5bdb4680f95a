"""The Docker engine: reached, and what it refuses said in words that tell what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dativo_ingest.exceptions import ConfigurationError, SandboxError

Client = Any
"""`docker.DockerClient`: the SDK has no types."""
_SCHEME = "unix://"
_SOCKET = "/var/run/docker.sock"
_PATIENCE_SECONDS = 10.0


def connect() -> Client:
    """Connect to the engine that DOCKER_HOST names, else the one of this machine.

    Raises:
        SandboxError: ``DOCKER_UNAVAILABLE``: there is none.
        ConfigurationError: ``DOCKER_REMOTE``: it is on another machine, with which no socket can be shared.
    """
    try:
        import docker
    except ImportError as error:
        message = "the place docker needs the package `docker`: pip install 'dativo[docker]'"
        raise ConfigurationError(message, "DOCKER_UNAVAILABLE") from error
    path = _socket_path(os.environ.get("DOCKER_HOST") or _SCHEME + _SOCKET)
    _must_listen(path)
    with refusals("the engine"):
        return docker.DockerClient(base_url=_SCHEME + path)  # asks the engine for its version


def _socket_path(url: str) -> str:
    path = url.removeprefix(_SCHEME)
    if not path.startswith("/"):
        message = f"the Docker engine at {url} is on another machine, and a plugin in it shares no socket with this one"
        raise ConfigurationError(f"{message}; run the job where the engine is, or unset DOCKER_HOST", "DOCKER_REMOTE")
    return path


def _must_listen(path: str) -> None:
    """Knock first: the SDK leaves a socket open that it could not connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(_PATIENCE_SECONDS)
        try:
            knocking.connect(path)
        except OSError as error:
            raise _unavailable(f"{path}: {error.strerror or error}") from error


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
    if "seccomp" in said:
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
