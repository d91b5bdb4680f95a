"""What a place still has of plugins that have ended: processes, containers, rows on their way."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_MARKS = (b"dativo_ingest.worker", b"time.sleep(1000)")
"""In the command lines of workers, and of what one of them starts and leaves."""


def left_behind(place: str, request: pytest.FixtureRequest, job: str) -> list[str]:
    """List what is left in a place that this session has used."""
    if place == "docker":
        engine = request.getfixturevalue("base_images")
        found = engine.containers.list(all=True, filters={"label": f"dativo.job={job}"}, ignore_removed=True)
        return [container.name for container in found]
    if place == "gcp_functions":
        folder = request.getfixturevalue("suite_folder")
        instances = _of_instances(str(request.getfixturevalue("google").folder).encode())
        return [*request.getfixturevalue("gcs").keys(f"{folder}/staging"), *instances]
    aws = request.getfixturevalue("aws")
    network = aws.inner.removeprefix("http://").partition(":")[0]
    return [*aws.staged, *_in_containers(request.getfixturevalue("base_images"), network)]


def _of_instances(folder: bytes) -> Iterator[str]:
    """Name the processes that functions of this session have on this machine, besides their own."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            if b"PYTHONPATH=" + folder in variables and any(mark in command for mark in _MARKS):
                yield command.decode(errors="replace")


def _in_containers(engine: object, network: str) -> Iterator[str]:
    """Name the processes that functions in containers have, besides themselves."""
    for container in engine.containers.list(filters={"network": network}, ignore_removed=True):  # type: ignore[attr-defined] # has no types
        with contextlib.suppress(APIError):  # it has ended, with all of them
            commands = [process[-1] for process in container.top()["Processes"]]
            yield from (command for command in commands if any(mark.decode() in command for mark in _MARKS))
