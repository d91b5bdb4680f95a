"""What a plugin in Python inherits from, and how old code loads one.

A reader yields pages, lists of dicts; a writer gets lists of dicts. Nothing else is asked of them. A plugin that has
Arrow data hands it on as it is: `BaseReader.extract` may yield, or return, anything with ``__arrow_c_stream__`` or
``__arrow_c_array__``, and a writer that defines `BaseWriter.write_arrow` gets record batches and no rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dativo_ingest import __version__ as _sdk
from dativo_ingest.exceptions import ConfigurationError, PluginError

if TYPE_CHECKING:
    from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
    from dativo_ingest.model import PluginRef
    from dativo_ingest.validator import IncrementalStateManager

PLUGIN_SDK_VERSION = "1.0.0"
"""Version of the interface below, as plugins of the earlier system know it; see `versions` for the SDK's own."""


class ConnectionTestResult:
    """The answer of `check_connection`."""

    def __init__(
        self,
        success: bool,  # noqa: FBT001 - kept signature
        message: str,
        error_code: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.success = success
        self.message = message
        self.error_code = error_code
        self.details = details or {}

    def to_dict(self) -> dict[str, Any]:
        """Give it as a dict; ``error_code`` and ``details`` only when there are any."""
        shown: dict[str, Any] = {"success": self.success, "message": self.message}
        if self.error_code:
            shown["error_code"] = self.error_code
        if self.details:
            shown["details"] = self.details
        return shown


class DiscoveryResult:
    """The answer of `discover`.

    Args:
        objects: Dicts with ``name`` and ``type``, and perhaps ``description``, ``columns`` and ``schema``.
        metadata: Anything about the source as a whole.
    """

    def __init__(self, objects: list[dict[str, Any]], metadata: dict[str, Any] | None = None) -> None:
        self.objects = objects
        self.metadata = metadata or {}

    def to_dict(self) -> dict[str, Any]:
        """Give it as a dict."""
        return {"objects": self.objects, "metadata": self.metadata}


class _Plugin:
    """What readers and writers share."""

    __version__ = "1.0.0"
    """The plugin's own version: shown with its results, never judged."""
    requires_sdk: str | None = None
    """Versions of the SDK that the plugin runs on, such as ``">=1.0,<2"``; None for any 1.x."""

    def _validate_version(self) -> None:
        """Refuse an SDK that the plugin does not run on."""
        from dativo_ingest.versions import check_requirement

        check_requirement(f"{type(self).__module__}.{type(self).__qualname__}", self.requires_sdk, _sdk)

    def check_connection(self) -> ConnectionTestResult:
        """Try to reach the other side. Leaves nothing behind."""
        return ConnectionTestResult(success=True, message="Connection check not implemented for this plugin")

    def close(self) -> None:
        """Let go of what the plugin holds. Called once, also after a failure."""


class BaseReader(_Plugin, ABC):
    """A source of somebody else's. Only `extract` must be written.

    Optional methods that are called when they are there: ``extract_metadata() -> {"tags": {column: class}}``,
    ``get_source_tags() -> {column: class}``.
    """

    def __init__(self, source_config: SourceConfig) -> None:
        self.source_config = source_config
        self._validate_version()

    def discover(self) -> DiscoveryResult:
        """List what the source has."""
        return DiscoveryResult(objects=[], metadata={"note": "Discovery not implemented for this plugin"})

    @abstractmethod
    def extract(self, state_manager: IncrementalStateManager | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of rows.

        A page may also be an Arrow object (``__arrow_c_stream__`` or ``__arrow_c_array__``), and so may be what is
        returned: a `pyarrow.Table`, a polars or pandas frame, a duckdb relation. Then no row is ever made.

        Args:
            state_manager: Reads and writes ``source_config.incremental["state_path"]``; None when the job is not
                incremental.
        """

    def get_total_records_estimate(self) -> int | None:
        """Guess how many rows there are, for progress only."""
        return None


class BaseWriter(_Plugin, ABC):
    """A target of somebody else's. Only `write_batch` must be written, or `write_arrow` in its place."""

    commit_anywhere = False
    """True when `commit_files` needs nothing but its argument, so that another instance, even in another process,
    may be asked to commit what this one wrote."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.write_arrow is not BaseWriter.write_arrow and cls.write_batch is BaseWriter.write_batch:
            cls.write_batch = _rows_as_arrow  # type: ignore[method-assign]

    def __init__(self, asset_definition: AssetDefinition, target_config: TargetConfig, output_base: str) -> None:
        self.asset_definition = asset_definition
        self.target_config = target_config
        self.output_base = output_base
        self._validate_version()

    @abstractmethod
    def write_batch(self, records: list[dict[str, Any]], file_counter: int) -> list[dict[str, Any]]:
        """Write rows; nothing should be visible before `commit_files`.

        Args:
            records: Rows that keep the contract, as native Python values (`datetime`, `Decimal`, ...).
            file_counter: How many files this writer has given so far.

        Returns:
            One dict a file: ``path``, and if known ``size_bytes`` and ``record_count``; any further keys come back in
            `commit_files`.
        """

    def write_arrow(self, batch: Any, file_counter: int) -> list[dict[str, Any]]:
        """Write one record batch, a `pyarrow.RecordBatch`, in place of rows. Called only when it is overridden."""
        raise NotImplementedError

    def commit_files(self, file_metadata: list[dict[str, Any]]) -> dict[str, Any]:
        """Make all files visible; called once, and not at all when nothing was written."""
        return {"status": "success", "files_added": len(file_metadata)}

    def abort_files(self, file_metadata: list[dict[str, Any]]) -> None:
        """Remove files that will not be committed. When it is not overridden, local ones are deleted for you."""
        raise NotImplementedError


def _rows_as_arrow(self: BaseWriter, records: list[dict[str, Any]], file_counter: int) -> list[dict[str, Any]]:
    """Write rows through `write_arrow`: the `write_batch` of a writer that has none."""
    from dativo_ingest.batches import rows_batch
    from dativo_ingest.model import Stream

    return self.write_arrow(rows_batch(records, Stream(name=self.asset_definition.name or "")), file_counter)


class PluginLoader:
    """How the earlier system loads plugins. New code uses `loader.plugin_ref` and `loader.load_class`."""

    @staticmethod
    def _detect_plugin_type(plugin_path: str) -> str:
        path = plugin_path.split(":", 1)[0]
        return "rust" if path.lower().endswith((".so", ".dylib", ".dll")) else "python"

    @staticmethod
    def load_class_from_path(plugin_path: str, base_class: type) -> type:
        """Load ``path.py:Class``, which must be a subclass of ``base_class``.

        Raises:
            ValueError: No colon, no such file, or no such class in it.
            PluginError: It is no class, or none of ``base_class``, or the file fails to load.
        """
        from dativo_ingest.loader import load_class

        with _as_value_error():
            return load_class(plugin_at(plugin_path), base_class)

    @staticmethod
    def load_reader(
        plugin_path: str,
        mode: str | Any = "self_hosted",
        sandbox_config: Any = None,
        plugin_config: Any = None,
        cloud_config: Any = None,
    ) -> type[BaseReader]:
        """Give the class of a reader, or one whose instances run elsewhere; nothing of it runs here then.

        ``cloud_config``, also in the place of ``mode``, is a ``cloud_execution`` block: a function. The other
        settings mean a sandbox.
        """
        return _load(plugin_path, BaseReader, mode, _settings(sandbox_config, plugin_config), cloud_config)

    @staticmethod
    def load_writer(
        plugin_path: str,
        mode: str | Any = "self_hosted",
        sandbox_config: Any = None,
        plugin_config: Any = None,
        cloud_config: Any = None,
    ) -> type[BaseWriter]:
        """Give the class of a writer, settings as those of `load_reader`."""
        return _load(plugin_path, BaseWriter, mode, _settings(sandbox_config, plugin_config), cloud_config)

    @staticmethod
    def load_rust_plugin(
        plugin_path: str,
        base_class: type,
        mode: str = "self_hosted",
        sandbox_config: Any = None,
        plugin_config: Any = None,
    ) -> type[Any]:
        """Give a class around a library's reader or writer, as ``base_class`` says.

        Raises:
            ValueError: There is no such library.
        """
        from dativo_ingest.loader.asclass import native_class

        settings = _settings(sandbox_config, plugin_config)
        return _confined(plugin_path, base_class, mode, settings) or native_class(plugin_at(plugin_path), base_class)


def _load(plugin_path: str, base: type, mode: str | Any, settings: Any, cloud: Any) -> type[Any]:
    if not isinstance(mode, str):
        mode, cloud = "self_hosted", mode
    # Decided before anything of the plugin runs: it must not run here at all when it is meant for another place.
    if cloud:
        from dativo_ingest.cloud_plugin_executor import cloud_class

        if found := cloud_class(plugin_at(plugin_path), base, cloud):
            return found
    if PluginLoader._detect_plugin_type(plugin_path) == "rust":  # noqa: SLF001 - a kept name
        return PluginLoader.load_rust_plugin(plugin_path, base, mode, settings)
    return _confined(plugin_path, base, mode, settings) or PluginLoader.load_class_from_path(plugin_path, base)


def _confined(plugin_path: str, base: type, mode: str, settings: Any) -> type[Any] | None:
    """Give a class whose instances run in a container; None when the plugin may run here."""
    from dativo_ingest.sandbox import sandboxed_class, should_sandbox_plugin

    if not should_sandbox_plugin(plugin_path, mode, settings):
        return None
    return sandboxed_class(plugin_at(plugin_path), base, settings)


def _settings(sandbox_config: Any, plugin_config: Any) -> Any:
    return sandbox_config if sandbox_config is not None else getattr(plugin_config, "sandbox", None)


def plugin_at(plugin_path: str) -> PluginRef:
    """Give the plugin at a path that starts at the working directory.

    Raises:
        ValueError: There is none.
    """
    from dativo_ingest.loader import plugin_ref

    with _as_value_error():
        return plugin_ref(plugin_path, Path.cwd())


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Raise what the earlier system raised for a path that leads nowhere."""
    try:
        yield
    except (ConfigurationError, PluginError) as error:
        if error.error_code in {"BAD_PLUGIN", "PLUGIN_NOT_FOUND", "PLUGIN_CLASS_MISSING"}:
            raise ValueError(error.message) from error
        raise
