"""Native libraries as a Dagster resource: the ctypes resource."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from pydantic import Field, PrivateAttr

from dativo_ingest.exceptions import DativoError

if TYPE_CHECKING:
    from dativo_ingest.native import Library
    from dativo_ingest.protocols import Reader, WriterPlugin

T = TypeVar("T")
SHIPPED = "native:"
READER, WRITER = "create_reader", "create_writer"


class NativeLibraryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A shared library that speaks the C ABI of ``rust_plugins/include/dativo_plugin.h``, through ctypes.

    It is loaded when the resource is set up, once in a process however many resources name it, and its ABI version is
    checked then. What was opened through the resource is released at the latest when the resource is torn down; the
    library itself stays. One that cannot be loaded fails the step that uses it, not the run that names it.
    """

    path: str = Field(description="The library: its file, or `native:NAME` for one that dativo ships.")
    base: str = Field(default="", description="The folder where a relative path starts; empty: the working directory.")

    _library: Any = PrivateAttr(default=None)
    _handles: list[ExitStack] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Load the library; what is wrong with it is told by who uses it."""
        with suppress(DativoError):
            self.loaded()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - the same
        """Release what is still open, the last first."""
        with self._lock:
            handles, self._handles = self._handles, []
        with ExitStack() as all_of_them:
            for handle in handles:
                all_of_them.callback(handle.close)

    def loaded(self) -> Library:
        """Give the library, loaded and of a version that we speak.

        Raises:
            ConfigurationError: There is no such file.
            PluginError: It cannot be loaded, or is no plugin.
            PluginVersionError: It speaks another version of the ABI; the message names both.
        """
        from dativo_ingest.loader.path import plugin_ref
        from dativo_ingest.native import load_library

        if self._library is None:
            said = self.path if self.path.startswith(SHIPPED) else f"{self.path}:{READER}"
            self._library = load_library(plugin_ref(said, Path(self.base)).path)
        found: Library = self._library
        return found

    def spec(self) -> Mapping[str, Any]:
        """Give what the library says of itself: name, version, roles and their configuration."""
        return self.loaded().spec()

    def reader(self, config: Mapping[str, Any], name: str = READER) -> AbstractContextManager[Reader]:
        """Open a reader with the configuration that `dativo_ingest.opening` describes; closed on any exit."""
        return self._owned(self.loaded().reader(name, config))

    def writer(self, config: Mapping[str, Any], name: str = WRITER) -> AbstractContextManager[WriterPlugin]:
        """Open a writer with the configuration that `dativo_ingest.opening` describes; closed on any exit."""
        return self._owned(self.loaded().writer(name, config))

    @contextmanager
    def _owned(self, handle: AbstractContextManager[T]) -> Iterator[T]:
        with ExitStack() as stack:
            opened = stack.enter_context(handle)
            with self._lock:
                self._handles.append(stack)
            try:
                yield opened
            finally:
                with self._lock:
                    self._handles = [each for each in self._handles if each is not stack]
