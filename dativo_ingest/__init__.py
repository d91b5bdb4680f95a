"""The plugin SDK of dativo: what a reader, a writer and the platform share. Standard library only.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "1.2.0"

_HOMES = {
    "exceptions": (
        "AuthenticationError",
        "CommitError",
        "ConfigurationError",
        "ConnectionError",
        "DativoError",
        "PluginError",
        "PluginVersionError",
        "RateLimitError",
        "SandboxError",
        "TransientError",
        "ValidationError",
        "get_error_code",
        "is_retryable_error",
        "wrap_exception",
    ),
    "plugins": ("BaseReader", "BaseWriter", "ConnectionTestResult", "DiscoveryResult", "PluginLoader"),
    "model": (
        "CheckResult",
        "Column",
        "Counts",
        "Cursor",
        "DataFile",
        "PluginRef",
        "SchemaChange",
        "Snapshot",
        "Staged",
        "State",
        "Stream",
        "Unit",
        "Violation",
        "Window",
    ),
    "result": ("JobResult", "Progress", "StreamResult"),
    "protocols": ("Launcher", "Reader", "SecretManager", "Table", "Writer", "WriterPlugin"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_ALIASES = {"NetworkError": "ConnectionError"}
"""Names that documents of the earlier system use for what has another one."""

__all__ = sorted(("__version__", *_HOME, *_ALIASES))  # noqa: PLE0605 - one table names the surface


def __getattr__(name: str) -> Any:
    name = _ALIASES.get(name, name)
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
