"""What the containers of one opened plugin share, and all that the engine is told of a container."""

from __future__ import annotations

import os
import posixpath
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dativo_dagster.config.forplugins import without_stores
from dativo_dagster.launchers.docker.engine import Client, answers, refusals, volumes
from dativo_dagster.launchers.docker.seccomp import profile
from dativo_dagster.owner import host_label, owner_of
from dativo_dagster.workers.worker import MIB
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dativo_dagster.launchers.docker.config import Config
    from dativo_dagster.launchers.docker.line import Line
    from dativo_dagster.storage import WriteStream
    from dativo_dagster.workers.fate import Fate
    from dativo_ingest.model import DataFile, PluginRef
    from dativo_ingest.worker.client import Session

PLUGIN = "/plugin"
OUT = "/io/out"
"""Where a writer lays its files down that the host carries to the target."""
TMPFS = "rw,noexec,nosuid,nodev,size={}m,mode=1777"
_USER = 10001
_OPEN_FILES = 1024
_FROZEN_SECONDS = 30.0


class Room(ABC):
    """The plugin's own files, what goes in and what comes out.

    Attributes:
        carries: Whether the host carries to the target what the plugin lays down; it then knows of no store.
    """

    def __init__(
        self, client: Client, image: str, config: Config, plugin: PluginRef, opened: Mapping[str, Any]
    ) -> None:
        self.client, self.image, self.config, self.plugin = client, image, config, plugin
        self.carries = "output_base" in opened and not opened.get("commits")
        self.opened = without_stores(opened) if self.carries else opened
        self._frozen_until = 0.0

    @abstractmethod
    def furnished(self) -> AbstractContextManager[Room]:
        """Bring the plugin's files to where containers see them; nothing that was made for it is left at the end."""

    @abstractmethod
    def line(self) -> Line:
        """Make the line to a container that is to be created."""

    @abstractmethod
    def create(self, line: Line) -> Any:
        """Make a container; it is not started."""

    @abstractmethod
    def bring(self, session: Session, file: DataFile, out: WriteStream) -> None:
        """Copy a file of the plugin's, just as long as it said, and remove it.

        Raises:
            ValueError: There is no such file; the message says why.
        """

    def engine_answers(self) -> bool:
        """Tell whether the engine is there; one that did not answer is not asked again for a while."""
        if time.monotonic() < self._frozen_until:
            return False
        there = answers(self.client)
        self._frozen_until = 0.0 if there else time.monotonic() + _FROZEN_SECONDS
        return there

    def settings(self, mounts: Sequence[Mounted]) -> dict[str, Any]:
        """Give what the engine is told of a container that sees ``mounts``."""
        return settings(self.config, self.labels(), mounts, self._volumes)

    @cached_property
    def _volumes(self) -> set[str]:
        """Ask once for all containers: their image is named by its content."""
        return volumes(self.client, self.image)

    def overstepped(self, first: int) -> Fate | None:  # noqa: ARG002 - where the kernel holds it to its limits
        """Tell which limit of the disk a container broke, whose first process is ``first``; 0 where none is seen."""
        return None

    def inside(self, plugin: PluginRef) -> PluginRef:
        """Name the plugin as it is called in a container."""
        return replace(plugin, path=f"{PLUGIN}/{Path(plugin.path).name}")

    def outside(self, text: str) -> str:
        """Say paths of the plugin's files as they are here."""
        return text.replace(f"{PLUGIN}/", f"{Path(self.plugin.path).parent}/")

    def given(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give what the plugin is opened with."""
        return {**config, "output_base": OUT} if self.carries else config

    def labels(self) -> dict[str, str]:
        """Say whose the container is."""
        known = {**asdict(owner_of(self.opened)), "host": host_label(), "hash": self.image.rpartition(":")[2]}
        return {"dativo": "1", **{f"dativo.{key}": value for key, value in known.items()}}

    def lent(self) -> list[Mounted]:
        """Give what the job lends of the engine's machine; a writer that commits by itself has its folder there."""
        paths = {mount.path: mount.writable for mount in self.config.mounts}
        if output := self.output():
            paths[output] = True
        return [Mounted(path, path, writable) for path, writable in paths.items()]

    def output(self) -> str:
        """Give the folder of this machine that a writer which commits by itself writes to; a bucket needs none."""
        base = str(self.opened.get("output_base", ""))
        here = "://" not in base or base.startswith("file:")
        return base.removeprefix("file://") if here and not self.carries else ""


class Mounted(NamedTuple):
    """A path of the engine's machine, and what it is called in a container."""

    path: str
    inside: str
    writable: bool = False


@contextmanager
def asked_for(room: Room) -> Iterator[None]:
    """Say of which plugin the engine refuses something."""
    with refusals(f"plugin {room.plugin}"):
        yield


def settings(
    config: Config, labels: Mapping[str, str], mounts: Sequence[Mounted], volumes: Iterable[str] = ()
) -> dict[str, Any]:
    """Give all that the engine is told of a container: it has nothing that is not said here.

    Args:
        config: What the job says.
        labels: Whose it is.
        mounts: What it is given of the engine's machine.
        volumes: What its image asks of the engine's disk: it is given memory, as for `/tmp`.
    """
    from docker.types import LogConfig, Mount, Ulimit

    memory = config.memory_mb * MIB
    given = {posixpath.normpath(mount.inside) for mount in mounts}
    in_memory = {"/tmp"} | {*map(posixpath.normpath, volumes)} - given  # noqa: S108 - the container's
    return {
        "init": True,
        "network_mode": config.network,
        "read_only": True,
        "tmpfs": dict.fromkeys(in_memory, TMPFS.format(config.tmp_mb)),
        "user": _with_group(config.user or user()),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", f"seccomp={_seccomp(config)}"],
        "pids_limit": config.pids,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(config.cpus * 1_000_000_000),
        "ipc_mode": "none",
        "ulimits": [
            Ulimit(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES),
            Ulimit(name="core", soft=0, hard=0),
        ],
        # A `volume` would be made, empty, where the engine has no such folder; and no rows would be read from it.
        "mounts": [Mount(m.inside, m.path, type="bind", read_only=not m.writable) for m in mounts],
        "log_config": LogConfig(type="none"),
        "environment": {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", **config.environment},  # noqa: S108 - as above
        "working_dir": "/",  # what is there can be imported before what Python has
        "runtime": config.runtime,
        "labels": dict(labels),
    }


def command(line: Line) -> dict[str, Any]:
    """Give what a container runs; whatever its image would run."""
    return {"entrypoint": list(line.command[:1]), "command": list(line.command[1:]), **line.settings}


def user() -> str:
    """Name who runs in a container: never root, and who may change what this user may."""
    return f"{_USER}:{_USER}" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


def _with_group(user: str) -> str:
    """Give a user of whom no image knows a group his own: the engine would take root's."""
    return user if ":" in user else f"{user}:{user}"


def _seccomp(config: Config) -> str:
    if config.seccomp_profile is None:
        return profile(network=config.network != "none")
    try:
        return Path(config.seccomp_profile).read_text()
    except OSError as error:
        message = f"seccomp_profile: {config.seccomp_profile} cannot be read: {error.strerror}"
        raise ConfigurationError(message, "BAD_PLACE") from error
