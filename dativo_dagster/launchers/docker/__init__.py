"""A place with walls: a plugin runs in a container of its own that has its rows, its limits and nothing else.

```yaml
source:
  custom_reader: plugins/orders.py:OrdersReader
  place: {launcher: docker, memory_mb: 512, cpus: 0.5, requirements: [requests==2.32.5]}
```

No network, no file but the plugin's own, no right, no variable that the job does not give. Rows travel over a unix
socket; a writer that does not commit lays its files down in a folder, from where the host carries them to the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.docker.config import Config
from dativo_ingest.worker.remote import RemoteReader, RemoteWriter

if TYPE_CHECKING:
    import threading
    from datetime import datetime

    from dativo_dagster.launchers.docker.room import Room
    from dativo_dagster.telemetry import Redactor
    from dativo_dagster.workers.pool import Pool
    from dativo_ingest.model import Leftover, PluginRef

__all__ = ["Config", "Launcher"]


class Launcher:
    """Opens plugins in containers: one, and another for each verb that runs at the same time."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @contextmanager
    def reader(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[RemoteReader]:
        """Open a reader."""
        with self._room(plugin, config) as room, self._pool("reader", room) as pool:
            yield RemoteReader(pool)

    @contextmanager
    def writer(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[RemoteWriter]:
        """Open a writer. One that commits by itself has one container for life: what wrote is what commits."""
        from dativo_dagster.launchers.docker.carried import CarriedWriter

        with self._room(plugin, config) as room, self._pool("writer", room) as pool:
            if room.carries:  # the job's word and not the plugin's, which could name any file for its own
                yield CarriedWriter(pool, room, config["target"].get("connection") or {})
                return
            pool.keep_to_one()
            yield RemoteWriter(pool, commits=True)

    def leftovers(self, older_than: datetime) -> Sequence[Leftover]:
        """Find containers and folders of hosts that are gone, and images that are older and that nothing uses."""
        from dativo_dagster.launchers.docker import left

        with _engine() as client:
            return left.find(client, older_than)

    def remove(self, leftover: Leftover) -> None:
        """Remove a container, a folder or an image; it may be gone already."""
        from dativo_dagster.launchers.docker import left

        with _engine() as client:
            left.remove(client, leftover)

    @contextmanager
    def _room(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[Room]:
        from dativo_dagster.launchers.docker.rooms import room

        with _engine() as client, room(client, self.config, plugin, config).furnished() as furnished:
            yield furnished

    def _pool(self, role: str, room: Room) -> Pool:
        from dativo_dagster.launchers.docker.container import Container
        from dativo_dagster.workers.pool import Pool

        def start(plugin: PluginRef, redactor: Redactor, unwanted: threading.Event) -> Container:
            return Container(plugin, self.config, redactor, room, unwanted)

        return Pool(role, room.plugin, room.opened, self.config, start)


@contextmanager
def _engine() -> Iterator[Any]:
    from dativo_dagster.launchers.docker.engine import connect

    client = connect()
    try:
        yield client
    finally:
        client.close()
