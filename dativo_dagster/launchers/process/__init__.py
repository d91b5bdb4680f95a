"""A place of its own on this machine: a plugin runs in child processes, and its faults end them and nothing else.

```yaml
source:
  custom_reader: target/release/liborders.so:create_reader
  place: {launcher: process, memory_mb: 2048, timeout_seconds: 300}
```

It holds faults, not malice: a child has the rights, the environment and the network of its host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dativo_dagster.launchers.process.child import Child, warn_if_blind
from dativo_dagster.launchers.process.config import Config
from dativo_dagster.workers.pool import Pool
from dativo_ingest.worker.remote import RemoteReader, RemoteWriter

if TYPE_CHECKING:
    import threading

    from dativo_dagster.telemetry import Redactor
    from dativo_ingest.model import PluginRef

__all__ = ["Config", "Launcher"]


class Launcher:
    """Opens plugins in child processes: one, and another for each verb that runs at the same time."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @contextmanager
    def reader(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[RemoteReader]:
        """Open a reader."""
        with self._pool("reader", plugin, config) as pool:
            yield RemoteReader(pool)

    @contextmanager
    def writer(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[RemoteWriter]:
        """Open a writer. One that commits by itself has one child for life: what wrote is what commits."""
        with self._pool("writer", plugin, config) as pool:
            if pool.said["commits"]:
                pool.keep_to_one()
            yield RemoteWriter(pool, commits=pool.said["commits"])

    def _pool(self, role: str, plugin: PluginRef, config: Mapping[str, Any]) -> Pool:
        warn_if_blind()
        return Pool(role, plugin, config, self.config, self._start)

    def _start(self, plugin: PluginRef, redactor: Redactor, _unwanted: threading.Event) -> Child:
        return Child(plugin, self.config, redactor)
