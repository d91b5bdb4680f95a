"""What the launchers of all clouds have in common: a plugin is deployed, and a reader or writer here stands for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dativo_dagster.functions.call import Deployed
    from dativo_dagster.functions.reading import FunctionReader
    from dativo_dagster.functions.writing import FunctionWriter
    from dativo_ingest.model import PluginRef


class FunctionLauncher(ABC):
    """Opens plugins in functions: one for each tenant, plugin and settings, any number of invocations of it."""

    @contextmanager
    def reader(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[FunctionReader]:
        """Open a reader."""
        from dativo_dagster.functions.reading import FunctionReader

        with self.deployed("reader", plugin, config) as deployed:
            yield FunctionReader(deployed)

    @contextmanager
    def writer(self, plugin: PluginRef, config: Mapping[str, Any]) -> Iterator[FunctionWriter]:
        """Open a writer; the files of one that does not commit by itself are brought to the target's folder."""
        from dativo_dagster.functions.writing import FunctionWriter

        with self.deployed("writer", plugin, config) as deployed:
            yield FunctionWriter(deployed)

    @abstractmethod
    def is_made(self, plugin: PluginRef, config: Mapping[str, Any]) -> bool:
        """Say whether the function of a plugin is there, for a plan that must not deploy it."""

    @abstractmethod
    def deployed(self, role: str, plugin: PluginRef, config: Mapping[str, Any]) -> AbstractContextManager[Deployed]:
        """Deploy a plugin, or find it deployed; at the end a function goes that is not kept."""
