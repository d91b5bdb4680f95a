"""The files of one commit, unit by unit: written by ourselves, or laid down by the target's custom writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from dativo_dagster.formats.laid import Laid
from dativo_dagster.formats.rolling import Finished, Layout, Rolling

if TYPE_CHECKING:
    from dativo_ingest.model import Usage
    from dativo_ingest.protocols import WriterPlugin


class Units:
    """Writes the units of one commit, several at once if need be.

    Args:
        layout: Where and how.
        token: The commit that the files are for.
        plugin: Opens the custom writer; None to write ourselves.
    """

    def __init__(
        self, layout: Layout, token: str, plugin: Callable[[], AbstractContextManager[WriterPlugin]] | None
    ) -> None:
        self.layout, self.token = layout, token
        self._stack = ExitStack()
        self._plugin = None if plugin is None else self._stack.enter_context(plugin())

    @property
    def usage(self) -> Sequence[Usage]:
        """Give what the custom writer took so far, where its place is paid by use."""
        return getattr(self._plugin, "usage", ())

    def write(self, batches: Iterable[Any], unit: str) -> list[Finished]:
        """Write the batches of one unit; whatever is raised, no file of it is left."""
        if self._plugin is None:
            return Rolling(self.layout, self.token, unit).write(batches)
        return Laid(self.layout, self._plugin, self.token, unit).write(batches)

    def cancel(self) -> None:
        """End a custom writer that does not end by itself, where its place can; any thread may."""
        if cancel := getattr(self._plugin, "cancel", None):
            cancel()

    def close(self) -> None:
        """Let go of the custom writer."""
        self._stack.close()
