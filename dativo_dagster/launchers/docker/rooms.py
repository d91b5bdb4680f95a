"""Which room an engine needs: one in a folder that both see, or, told with a warning, a far one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.engine import Client, is_elsewhere, sees_files
from dativo_dagster.launchers.docker.far import FarRoom
from dativo_dagster.launchers.docker.image import runner
from dativo_dagster.launchers.docker.shared import SharedRoom
from dativo_dagster.telemetry import warn_once
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.launchers.docker.config import Config
    from dativo_dagster.launchers.docker.room import Room
    from dativo_ingest.model import PluginRef

_LOGGER = logging.getLogger(__name__)


def room(client: Client, config: Config, plugin: PluginRef, opened: Mapping[str, Any]) -> Room:
    """Make a room for a plugin; its image is built where the engine has none.

    Raises:
        ConfigurationError: ``DOCKER_REMOTE``: the job insists on a socket, and the engine is on another machine.
        DativoError: As `runner`.
    """
    elsewhere = is_elsewhere(client)
    if elsewhere and config.transport == "socket":
        message = f"plugin {plugin}: `transport: socket` needs a Docker engine on this machine; leave it out"
        raise ConfigurationError(message, "DOCKER_REMOTE")
    image = runner(client, config)
    if config.transport == "attach":
        return FarRoom(client, image, config, plugin, opened)
    if config.transport == "socket" or (not elsewhere and sees_files(client, image)):
        return SharedRoom(client, image, config, plugin, opened)
    message = "plugin %s: the Docker engine shares no files with this machine; rows travel through it, some hundred "
    message += "megabytes a second. `transport: attach` says that this is meant"
    warn_once(_LOGGER, message, plugin)
    return FarRoom(client, image, config, plugin, opened)
