"""The Docker engine: reached, and what it refuses said in words that tell what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dativo_ingest.exceptions import ConfigurationError, SandboxError

Client = Any
"""`docker.DockerClient`: the SDK has no types."""
_LOCAL = ("unix://", "/")


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
    _must_be_local(os.environ.get("DOCKER_HOST", ""))
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        raise _unavailable(error) from error
    try:
        with refusals("the engine"):
            client.ping()
    except BaseException:
        client.close()
        raise
    return client


def _must_be_local(url: str) -> None:
    if url and not url.startswith(_LOCAL):
        message = f"the Docker engine at {url} is on another machine, and a plugin in it shares no socket with this one"
        raise ConfigurationError(f"{message}; run the job where the engine is, or unset DOCKER_HOST", "DOCKER_REMOTE")


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


def _unavailable(error: Exception) -> SandboxError:
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
