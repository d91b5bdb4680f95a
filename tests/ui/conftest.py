"""The UI and a browser, once for all tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.servers import browser, dagster_ui

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ui(tmp_path_factory):
    """`dagster dev` on a copy of the examples."""
    folder = tmp_path_factory.mktemp("ui")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    with dagster_ui.serve(folder, folder / "jobs") as server:
        yield server


@pytest.fixture
def page(tmp_path):
    """A new browser."""
    if browser.program() is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with browser.browse(tmp_path) as tab:
        yield tab
