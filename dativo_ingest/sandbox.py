"""Old import path of the container sandbox; only the decision whether to use it lives here.

A container is a place of the platform, which a job names by ``place: docker`` or ``plugins.sandbox``. Running a plugin
through `PluginSandbox` raises ``PLACE_UNSUPPORTED``, it never runs the plugin unconfined instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from dativo_ingest.exceptions import SandboxError

docker: Any = None
"""The client library, for tests of old that replace it."""

_SUFFIXES = (".py", ".so", ".dylib", ".dll")


def should_sandbox_plugin(plugin_path: str, mode: str = "self_hosted", sandbox_config: Any = None) -> bool:
    """Say whether a plugin must run in a sandbox.

    What the configuration says explicitly wins, and one without ``enabled`` says yes; else every plugin is confined in
    ``cloud`` mode and none in ``self_hosted``.
    """
    if sandbox_config is not None:
        said = sandbox_config.get("enabled") if isinstance(sandbox_config, Mapping) else sandbox_config.enabled
        return True if said is None else bool(said)
    return mode == "cloud" and plugin_path.rpartition(":")[0].lower().endswith(_SUFFIXES)


def sandboxed(plugin_path: str, mode: str, sandbox_config: Any) -> Callable[..., Any] | None:
    """Give a function that makes the plugin in its sandbox; None when it may run here. Reads nothing of the plugin."""
    if not should_sandbox_plugin(plugin_path, mode, sandbox_config):
        return None

    def make(*_: Any, **__: Any) -> NoReturn:
        raise _unsupported(plugin_path)

    return make


class PluginSandbox:
    """How a plugin is to be confined; ``timeout`` in seconds, ``cpu_limit`` as a share of one core."""

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

    def execute(self, method_name: str, *_: Any, **__: Any) -> NoReturn:
        """Refuse: only a job starts a container."""
        raise _unsupported(self.plugin_path, method_name)


def _unsupported(plugin_path: str, verb: str | None = None) -> SandboxError:
    what = f"{verb} of plugin {plugin_path}" if verb else f"plugin {plugin_path}"
    return SandboxError(
        f"{what} is to run in a container, and only a job can start one: name the plugin in a job with "
        "`plugins.sandbox` or `place: docker`, or switch the sandbox off with `enabled: false`",
        "PLACE_UNSUPPORTED",
        {"plugin": plugin_path},
        retryable=False,
    )
