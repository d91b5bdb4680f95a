"""The place that is no place: a plugin runs in the process that runs the job.

Nothing is started and nothing is copied, and the faults of the plugin are ours: what segfaults ends the run.

```yaml
source: {custom_reader: plugins/orders.py:OrdersReader, place: local}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from dativo_ingest.opening import open_reader, open_writer

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef
    from dativo_ingest.protocols import Reader, WriterPlugin


class Config(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Launcher:
    """Opens plugins right here."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def reader(self, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[Reader]:
        """Open a reader."""
        return open_reader(plugin, config)

    def writer(self, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[WriterPlugin]:
        """Open a writer."""
        return open_writer(plugin, config)
