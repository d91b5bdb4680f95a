"""What pytest gets from an installed SDK: `--dativo-place` and `--dativo-report`. Loaded in every run, so it is small.

The tests themselves come from `reader_tests` and `writer_tests`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

REPORT = "dativo_report"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("dativo", "plugins of dativo")
    group.addoption(
        "--dativo-place", metavar="PLACE", help="run the plugins of `reader_tests` and `writer_tests` in this place"
    )
    group.addoption("--dativo-report", metavar="FILE", help="write the outcomes of their checks to this file, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Collect outcomes when a report is wanted."""
    if path := config.getoption(REPORT, None):
        config.pluginmanager.register(_Report(Path(path)), "dativo-report")


class _Report:
    """Writes what became of each check that was asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.found = path, list[dict[str, Any]]()

    @pytest.hookimpl
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        from dativo_ingest.testing.generated import PluginTests

        owner = getattr(item, "cls", None)
        if isinstance(owner, type) and issubclass(owner, PluginTests) and owner.suite is not None:
            name = getattr(item, "originalname", item.name).removeprefix("test_")
            if name in owner.suite.checks:
                self.found.append({"plugin": owner.plugin, **owner.suite.outcome(name).to_json()})

    def pytest_sessionfinish(self) -> None:
        import json

        self.path.write_text(json.dumps(self.found, indent=2) + "\n", encoding="utf-8")
