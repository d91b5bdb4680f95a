"""What authors test their plugins with: a conformance suite, and doubles for all that a plugin meets.

Names are loaded when first used. Only what makes or looks at Arrow data needs pyarrow, and only
`dativo_ingest.testing.pytest_plugin` needs pytest.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "arrow": ("EVERY_TYPE", "arrow_schema", "arrow_table", "arrow_type", "batches"),
    "builders": (
        "asset_definition",
        "frozen_state",
        "reader_options",
        "source_config",
        "stream",
        "target_config",
        "writer_options",
    ),
    "cases": ("ReaderCase", "WriterCase"),
    "checks": ("Check", "Failed", "NotApplicable", "Outcome"),
    "conformance": ("READER_CHECKS", "WRITER_CHECKS", "Suite", "run"),
    "generated": ("reader_case", "reader_tests", "writer_case", "writer_tests"),
    "hostile": ("FAULTS", "HostileReader"),
    "recorder": ("MemoryWriter", "read_rows"),
    "report": ("Report",),
    "server": ("Answer", "HttpServer", "Request", "http_server", "pages"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one table names the surface


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
