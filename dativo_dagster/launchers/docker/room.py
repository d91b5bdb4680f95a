"""What the containers of one opened plugin share: a private folder with the plugin's own files, and their settings."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.engine import Client, refusals
from dativo_dagster.launchers.docker.laid import clear
from dativo_dagster.launchers.docker.seccomp import profile
from dativo_dagster.owner import host_label
from dativo_dagster.workers.worker import MIB
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.config import Config
    from dativo_ingest.model import PluginRef

PLUGIN = "/plugin"
IO = "/io"
OUT = "/io/out"
"""Where a writer lays its files down that the host carries to the target."""
PREFIX = "dativo-place-"
"""How the private folder of a place is called, below the system's folder for what is temporary."""
OWNER = "owner.json"
"""The labels of its containers, in the folder: they say whose it is."""
_USER = 10001
_OPEN_FILES = 1024
_COMMAND = ["python", "-m", "dativo_ingest.worker", "--connect", f"{IO}/worker.sock"]


class Room:
    """The folder and the settings.

    Attributes:
        folder: Nobody but this user gets into it; ``plugin`` and ``out`` in it are what containers see.
        output: A folder of this machine that the plugin writes to by itself; empty when there is none.
    """

    def __init__(
        self, client: Client, image: str, config: Config, plugin: PluginRef, opened: Mapping[str, Any]
    ) -> None:
        self.client, self.image, self.config, self.plugin, self.opened = client, image, config, plugin, opened
        self.folder = Path()
        self.output = ""

    @contextmanager
    def furnished(self) -> Iterator[Room]:
        """Copy the plugin's files into the folder; all of it is removed at the end."""
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            (self.folder / OWNER).write_text(json.dumps(self.labels()))
            for path, content in _files(self.plugin).items():
                copy = self.folder / "plugin" / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
            self.out.mkdir()
            _readable(self.folder / "plugin")
            self.out.chmod(0o777)
            yield self
        finally:
            clear(self.folder)

    @property
    def out(self) -> Path:
        """Give the folder that containers see as `OUT`."""
        return self.folder / "out"

    def inside(self, plugin: PluginRef) -> PluginRef:
        """Name the plugin as it is called in a container."""
        return replace(plugin, path=f"{PLUGIN}/{Path(plugin.path).name}")

    def outside(self, text: str) -> str:
        """Say paths of the plugin's files as they are here."""
        return text.replace(f"{PLUGIN}/", f"{Path(self.plugin.path).parent}/")

    def given(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give what the plugin is opened with: a writer that does not commit writes to `OUT`."""
        if "output_base" not in config or self.output:
            return config
        return {**config, "output_base": OUT}

    def create(self, io: Path) -> Any:
        """Make a container that sees ``io``; it is not started."""
        (io / "out").mkdir()
        with refusals(f"plugin {self.plugin}"):
            return self.client.containers.create(self.image, **settings(self.config, self.labels(), self._mounts(io)))

    def labels(self) -> dict[str, str]:
        """Say whose the container is."""
        said = {name: str(self.opened.get(name, "")) for name in ("tenant", "job")}
        stream = str(self.opened.get("stream", {}).get("name", ""))
        hashed = self.image.rpartition(":")[2]
        known = {**said, "stream": stream, "host": host_label(), "hash": hashed}
        return {"dativo": "1", **{f"dativo.{key}": value for key, value in known.items()}}

    def _mounts(self, io: Path) -> dict[str, dict[str, str]]:
        given = [(mount.path, mount.writable) for mount in self.config.mounts]
        if self.output:
            given.append((self.output, True))
        for path, _ in given:
            if not Path(path).exists():
                raise ConfigurationError(f"mounts: there is no {path} on this machine", "MOUNT_MISSING", {"path": path})
        return {
            **{path: {"bind": path, "mode": "rw" if writable else "ro"} for path, writable in given},
            str(self.folder / "plugin"): {"bind": PLUGIN, "mode": "ro"},
            str(io): {"bind": IO, "mode": "ro"},
            str(self.out): {"bind": OUT, "mode": "rw"},
        }


def settings(config: Config, labels: Mapping[str, str], mounts: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Give all that the engine is told of a container: it has nothing that is not said here."""
    from docker.types import LogConfig, Ulimit

    memory = config.memory_mb * MIB
    return {
        "entrypoint": _COMMAND[:1],
        "command": _COMMAND[1:],
        "init": True,
        "network_mode": config.network,
        "read_only": True,
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={config.tmp_mb}m,mode=1777"},  # noqa: S108 - the container's
        "user": config.user or user(),
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
        "volumes": {path: dict(mount) for path, mount in mounts.items()},
        "log_config": LogConfig(type="none"),
        "environment": {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", **config.environment},  # noqa: S108
        "working_dir": "/",  # what is there can be imported before what Python has
        "runtime": config.runtime,
        "labels": dict(labels),
    }


def user() -> str:
    """Name who runs in a container: never root, and who may change what this user may."""
    return f"{_USER}:{_USER}" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


def _seccomp(config: Config) -> str:
    if config.seccomp_profile is None:
        return profile(network=config.network != "none")
    try:
        return Path(config.seccomp_profile).read_text()
    except OSError as error:
        message = f"seccomp_profile: {config.seccomp_profile} cannot be read: {error.strerror}"
        raise ConfigurationError(message, "BAD_PLACE") from error


def _files(plugin: PluginRef) -> dict[Path, bytes]:
    """Give the plugin's file, and what it imports from beside itself; nothing else of its folder is seen."""
    path = Path(plugin.path)
    if plugin.kind == "native":
        return {Path(path.name): path.read_bytes()}
    from dativo_ingest.loader.source import reached

    return {file.relative_to(path.parent): content for file, content in reached(path).items()}


def _readable(folder: Path) -> None:
    """Let the container's user read what perhaps only this one may."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
