"""Where a job says that a plugin runs: by `place`, or by the earlier system's settings. `pipeline.plugins` calls it.

| setting | place |
|---|---|
| ``place: docker`` of a source or target | that one |
| ``engine.cloud_execution`` of a source or target | ``aws_lambda`` or ``gcp_functions`` |
| ``plugins.sandbox`` of the job | ``docker`` |
| started with ``--mode cloud`` | ``docker`` |

The first that says something counts, and nothing is ever taken for less than it asks: a sandbox beside a place that is
no container is a contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from dativo_dagster.config.job import Place
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job, Source, Target

CLOUDS = {"aws": "aws_lambda", "gcp": "gcp_functions"}
"""Providers of ``cloud_execution`` and their launchers."""
SANDBOX = "docker"
"""The place that has what a sandbox says."""
_BOOL = TypeAdapter(bool)
_SIZE = re.compile(r"(?i)\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*")
_MIB = {"": 1 / 1024**2, "k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2}


def asked(job: Job, side: Source | Target) -> Place | None:
    """Give the place that a job asks for; None when it leaves that open.

    Raises:
        ConfigurationError: ``PLACE_CONFLICT``: it asks for a sandbox and for another place; a file is refused for that
            when it is read, with its line.
            ``BAD_PLACE``: a setting of the earlier system cannot be understood.
    """
    sandbox = job.sandbox if job.sandbox is not None and job.sandbox.get("enabled", True) else None
    chosen = _chosen(job, side, sandbox)
    if sandbox is not None and chosen is not None and chosen.launcher != SANDBOX:
        raise ConfigurationError(f"{job.path}: {beside_a_sandbox(chosen.launcher)}", "PLACE_CONFLICT")
    return chosen


def beside_a_sandbox(launcher: str) -> str:
    """Say why a plugin has no such place in a job whose `plugins.sandbox` is on, and what to do."""
    return (
        f"`plugins.sandbox` of the job puts its plugins into a container, and in {launcher!r} this one would have none "
        f"of its limits, nor would its network be off: say `place: {SANDBOX}`; or set `enabled: false` in the sandbox, "
        f"and limit the plugin by settings of {launcher!r}"
    )


def _chosen(job: Job, side: Source | Target, sandbox: Mapping[str, Any] | None) -> Place | None:
    if side.place is not None:
        limits = container(sandbox, job.path).options if sandbox and side.place.launcher == SANDBOX else {}
        return replace(side.place, options={**limits, **side.place.options}, why="the job says `place`")
    cloud = (side.options.get("engine") or {}).get("cloud_execution") or {}
    if switched_on(cloud.get("enabled")):
        return function(cloud, job.path)
    if sandbox is not None:
        return container(sandbox, job.path)
    if job.mode == "cloud" and job.sandbox is None:
        return Place(launcher=SANDBOX, why="`--mode cloud` confines plugins")
    return None


def switched_on(said: Any) -> bool:
    """Understand `enabled` as the file's model does: a variable of the environment is a text, and "false" is no yes."""
    try:
        return said is not None and _BOOL.validate_python(said)
    except ValidationError:
        return True  # whoever says something odd does not say that his plugin may run here


def function(said: Mapping[str, Any], where: object) -> Place:
    """Give the place that a ``cloud_execution`` block means; ``where`` it stands, for an error."""
    provider = str(said.get("provider", "aws")).lower()
    if provider not in CLOUDS:
        raise _bad(where, f"cloud_execution.provider is {provider!r}; known are {', '.join(CLOUDS)}")
    options = {key: said[key] for key in ("runtime", "memory_mb", "timeout_seconds") if said.get(key) is not None}
    if variables := said.get("environment_variables"):
        options["environment"] = {str(name): str(value) for name, value in variables.items()}
    options |= said.get(provider) or {}
    return Place(launcher=CLOUDS[provider], options=options, why="the job says `engine.cloud_execution`")


def container(said: Mapping[str, Any], where: object) -> Place:
    """Give the place that a ``plugins.sandbox`` block means; ``where`` it stands, for an error."""
    options: dict[str, Any] = {}
    if said.get("cpu_limit") is not None:
        options["cpus"] = float(said["cpu_limit"])
    if said.get("memory_limit") is not None:
        options["memory_mb"] = _memory(where, str(said["memory_limit"]))
    if said.get("network_disabled") is not None:
        options["network"] = "none" if said["network_disabled"] else "bridge"
    if said.get("timeout") is not None:
        options["timeout_seconds"] = said["timeout"]
    if said.get("seccomp_profile"):
        options["seccomp_profile"] = str(said["seccomp_profile"])
    if said.get("container_image"):
        options["image"] = str(said["container_image"])
    return Place(launcher=SANDBOX, options=options, why="the job says `plugins.sandbox`")


def mebibytes(text: str) -> int:
    """Read a size as Docker does: a number of bytes, or one with k, m, g or t.

    Raises:
        ValueError: It is none, or less than a mebibyte.
    """
    found = _SIZE.fullmatch(text)
    size = int(float(found[1]) * _MIB[found[2].lower()]) if found else 0
    if size < 1:
        raise ValueError(f"{text!r} is no size; write a number and k, m, g or t, such as 512m or 2g")
    return size


def _memory(where: object, text: str) -> int:
    try:
        return mebibytes(text)
    except ValueError as error:
        raise _bad(where, f"plugins.sandbox.memory_limit: {error}") from error


def _bad(where: object, what: str) -> ConfigurationError:
    return ConfigurationError(f"{where}: {what}", "BAD_PLACE")
