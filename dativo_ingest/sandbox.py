"""Old import path of the container sandbox: when a plugin is to be confined, and one that is, under its old calls.

Both lead to the place ``docker``, with its limits; a plugin is never run unconfined instead. A job names the place by
``place: docker`` or ``plugins.sandbox``, and only there rows stay Arrow and a reader keeps its state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from dativo_ingest import doorways
from dativo_ingest.exceptions import SandboxError

if TYPE_CHECKING:
    from dativo_ingest.model import PluginRef

docker: Any = None
"""The client library, for tests of old that replace it."""

S = TypeVar("S", bound="PluginSandbox")
_SUFFIXES = (".py", ".so", ".dylib", ".dll")
_SETTINGS = ("cpu_limit", "memory_limit", "network_disabled", "seccomp_profile", "timeout", "container_image")
_OF_WRITERS = ("asset_definition", "target_config", "output_base")
_READER = ("check_connection", "discover", "extract", "get_total_records_estimate")
_WRITER = ("check_connection", "write_batch", "commit_files", "abort_files")


def should_sandbox_plugin(plugin_path: str, mode: str = "self_hosted", sandbox_config: Any = None) -> bool:
    """Say whether a plugin must run in a sandbox.

    What the configuration says explicitly wins, and one without ``enabled`` says yes; else every plugin is confined in
    ``cloud`` mode and none in ``self_hosted``.
    """
    if sandbox_config is not None:
        said = sandbox_config.get("enabled") if isinstance(sandbox_config, Mapping) else sandbox_config.enabled
        return True if said is None else bool(said)
    return mode == "cloud" and plugin_path.rpartition(":")[0].lower().endswith(_SUFFIXES)


def sandboxed_class(ref: PluginRef, base: type, sandbox_config: Any) -> type[Any]:
    """Give a subclass of ``base`` whose instances run in a container; nothing of the plugin runs here."""
    from dativo_ingest.loader.asclass import placed_class

    said = {name: _said(sandbox_config, name) for name in _SETTINGS}
    return placed_class(ref, base, lambda: doorways.sandbox(said))


class PluginSandbox:
    """A plugin in a container; ``timeout`` in seconds, ``cpu_limit`` as a share of one core.

    One container serves all calls with the same configuration, so what wrote also commits. It ends with `close`, with
    this object, or with the program.
    """

    def __init__(
        self,
        plugin_path: str,
        cpu_limit: float | None = None,
        memory_limit: str | None = None,
        network_disabled: bool = True,  # noqa: FBT001, FBT002 - kept signature
        seccomp_profile: str | None = None,
        timeout: int = 300,
        container_image: str | None = None,
    ) -> None:
        self.plugin_path = plugin_path
        self.cpu_limit = cpu_limit
        self.memory_limit = memory_limit
        self.network_disabled = network_disabled
        self.seccomp_profile = seccomp_profile
        self.timeout = timeout
        self.container_image = container_image
        self._opened: dict[str, Any] = {}

    def execute(self, method_name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the plugin in its container.

        Args:
            method_name: Of a reader ``check_connection``, ``discover``, ``extract``, ``get_total_records_estimate``;
                of a writer ``check_connection``, ``write_batch``, ``commit_files``, ``abort_files``.
            args: Of the method. A writer counts its files itself, whatever ``file_counter`` says.
            kwargs: Of the method, and what the plugin is made with: ``source_config``; or ``asset_definition``,
                ``target_config`` and ``output_base``. Configurations may be plain dicts.

        Returns:
            What the method gives, as plain values: ``extract`` a list of pages, all in memory.

        Raises:
            ValueError: The path leads to no plugin.
            SandboxError: ``PLACE_UNSUPPORTED``: no plugin has such a method. ``DOCKER_UNAVAILABLE``: no engine answers.
            DativoError: As the plugin raised it.
        """
        source = kwargs.pop("source_config", None)
        given = tuple(kwargs.pop(name, None) for name in _OF_WRITERS)
        known = _READER if source is not None else _WRITER if given != (None, None, None) else ()
        self._must_have(method_name, known)
        kwargs.pop("state_manager", None)  # a job keeps state
        plugin = self._plugin(source, given)
        return _plain(getattr(plugin, method_name)(*args, **kwargs))

    def close(self) -> None:
        """End the containers."""
        while self._opened:
            self._opened.popitem()[1].close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _plugin(self, source: Any, given: tuple[Any, ...]) -> Any:
        """Give the plugin that was made with this configuration; made now when there is none."""
        from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
        from dativo_ingest.plugins import BaseReader, BaseWriter, plugin_at

        if source is not None:
            base: type = BaseReader
            made: tuple[Any, ...] = (_as(SourceConfig, source),)
        else:
            base = BaseWriter
            made = (_as(AssetDefinition, given[0]), _as(TargetConfig, given[1]), str(given[2] or ""))
        name = repr([each if isinstance(each, str) else each.model_dump() for each in made])
        if name not in self._opened:
            self._opened[name] = sandboxed_class(plugin_at(self.plugin_path), base, self)(*made)
        return self._opened[name]

    def _must_have(self, method: str, known: tuple[str, ...]) -> None:
        if method in known:
            return
        if method in (*_READER, *_WRITER):
            needed = "source_config" if method in _READER else ", ".join(_OF_WRITERS)
            raise TypeError(f"{method} of plugin {self.plugin_path} needs what the plugin is made with: {needed}")
        raise SandboxError(
            f"{method} of plugin {self.plugin_path} cannot be called in a container; what can be called is "
            f"{', '.join(dict.fromkeys((*_READER, *_WRITER)))}",
            "PLACE_UNSUPPORTED",
            {"plugin": self.plugin_path, "verb": method},
            retryable=False,
        )


def _said(config: Any, name: str) -> Any:
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)


def _as(kind: type[Any], given: Any) -> Any:
    return given if isinstance(given, kind) else kind(**(given or {}))


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return value if value is None or isinstance(value, (int, dict, list)) else list(value)
