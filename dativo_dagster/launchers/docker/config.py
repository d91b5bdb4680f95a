"""The settings of a container, as a job says them under `place`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from dativo_dagster.workers.limits import Limits

PLATFORM = Path(__file__).parents[3]
"""The folder that holds this package: who may write there runs code of his on the host."""
_OF_THE_KERNEL = tuple(map(Path, ("/proc", "/sys", "/dev")))
_OF_THE_ENGINE = tuple(map(Path, ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd", "/var/lib/docker")))
_OF_THE_PLACE = tuple(map(Path, ("/io", "/plugin", "/opt/dativo")))


class Mount(BaseModel):
    """What a plugin is given of this machine: the same path inside.

    Attributes:
        path: An absolute path; it must exist.
        writable: Whether the plugin may change it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    writable: bool = False

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/") or ":" in path or ".." in Path(path).parts:
            raise ValueError(f"{path!r} must be an absolute path without a colon and without `..`")
        return path

    @model_validator(mode="after")
    def _no_way_out(self) -> Mount:
        if wrong := _way_out(Path(self.path), writable=self.writable):
            raise ValueError(f"{self.path} {wrong}; give the folder that the plugin needs, and no more")
        return self


def _way_out(path: Path, *, writable: bool) -> str:
    """Say why whoever is given a path has no walls around him; links lead where they lead."""
    real = path.resolve()
    if any(real.is_relative_to(kernel) for kernel in _OF_THE_KERNEL):
        return "is the kernel's: settings and devices of the whole machine"
    if any(_meet(real, each.resolve()) for each in (*_OF_THE_ENGINE, *_asked_engine())):
        return "holds what rules the engine: who reaches that may start a container without limits"
    if any(_meet(path, each) for each in _OF_THE_PLACE):
        return "is where the place puts what is its own"
    if writable and _meet(real, PLATFORM):
        return "holds the platform's own code: who may change that is run by the host"
    return ""


def _asked_engine() -> Iterator[Path]:
    """Give the socket of an engine of another user's, or of another kind."""
    scheme, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    if scheme == "unix":
        yield Path(path)


def _meet(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


class Config(Limits):
    """Limits hold for each container, and a plugin that breaks one is ended.

    Attributes:
        image: An image with Python 3.10 or newer and pyarrow; the SDK is added to it. Ours is built by default.
        requirements: Packages that the plugin imports, as pip reads them; they are built into an image of their own.
        memory_mb: Memory, with what is in `/tmp`, in MiB. There is no swap.
        cpus: Processors.
        pids: Processes and threads.
        tmp_mb: The size of `/tmp`, the only folder that can be written, in MiB.
        output_disk_mb: What a writer that does not commit may have laid down before it is carried away, in MiB.
        free_disk_mb: What that leaves free of the disk of this machine; with less, the writer is ended. In MiB.
        environment: All the variables that the plugin sees, besides those of the image.
        network: ``none``, ``bridge``, ``host``, or the name of a network of the engine.
        mounts: Paths of this machine that the plugin is given, read-only unless they say otherwise.
        seccomp_profile: A file with a profile to use instead of ours.
        runtime: A runtime that the engine knows, such as ``runsc``.
        user: ``uid`` or ``uid:gid``, never root nor its group; 10001 where the host is root, else the host's own.
        transport: How rows travel: by ``socket``, in a folder that the engine shares with this machine, or slower by
            ``attach``, over what the container reads and prints. ``auto`` takes the socket where it can, and says so
            where it cannot.
    """

    image: str | None = None
    requirements: tuple[str, ...] = ()
    memory_mb: int = Field(default=2048, ge=6)  # with less an engine starts nothing
    cpus: float = Field(default=1.0, ge=0.01, allow_inf_nan=False)
    pids: PositiveInt = 128
    tmp_mb: PositiveInt = 256
    output_disk_mb: PositiveInt = 20 * 1024
    free_disk_mb: NonNegativeInt = 256
    network: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")] = "none"
    mounts: tuple[Mount, ...] = ()
    seccomp_profile: str | None = None
    runtime: str | None = None
    user: str | None = Field(default=None, pattern=r"^0*[1-9]\d*(:0*[1-9]\d*)?$")
    transport: Literal["auto", "socket", "attach"] = "auto"

    @field_validator("mounts", mode="before")
    @classmethod
    def _paths(cls, value: object) -> object:
        if not isinstance(value, (list, tuple)):
            return value
        return tuple({"path": item} if isinstance(item, str) else item for item in value)

    def openings(self) -> Iterator[str]:
        """Say each way in which the job makes the walls wider or takes others, for whoever looks at its plan."""
        if self.network != "none":
            yield f"network {self.network}"
        for mount in self.mounts:
            yield f"{mount.path} {'to read and write' if mount.writable else 'to read'}"
        if self.environment:
            yield f"variables {', '.join(self.environment)}"
        for name in ("image", "seccomp_profile", "runtime", "user"):
            if (value := getattr(self, name)) is not None:
                yield f"{name} {value}"
