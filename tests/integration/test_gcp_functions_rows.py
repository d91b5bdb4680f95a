"""A plugin in the place gcp_functions behaves as it does here."""

from __future__ import annotations

import os

import pytest

from dativo_dagster.launchers.gcp_functions import Config, Launcher
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import PluginRef
from dativo_ingest.opening import open_reader
from tests.fakes.placed import PLUGINS, rows

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cloud_functions")]

CONFIG = {
    "tenant": "acme",
    "job": "orders",
    "source": {"type": "custom"},
    "stream": {"name": "lines"},
    "base": os.fspath("."),
}


@pytest.fixture
def launcher(gcp_place):
    return lambda **changed: Launcher(Config.model_validate({**gcp_place, **changed}))


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "plugins.py"
    file.write_text(PLUGINS)
    return lambda name: PluginRef(path=str(file), name=name)


def test_a_reader_gives_the_rows_that_it_gives_here_and_leaves_no_row_in_the_staging_folder(
    launcher, plugin, gcs, gcs_prefix
):
    here = rows(open_reader(plugin("Reader"), CONFIG))
    there = rows(launcher().reader(plugin("Reader"), CONFIG))
    assert len(here) == 30
    assert there == here
    assert gcs.keys(gcs_prefix) == []


def test_an_error_of_the_plugin_comes_with_its_class_and_its_traceback(launcher, plugin):
    with pytest.raises(DativoError, match="the source is on fire") as raised:
        rows(launcher().reader(plugin("Broken"), CONFIG))
    assert "plugins.py" in raised.value.details["remote_traceback"]


def test_a_function_that_is_not_kept_goes_with_its_opening(launcher, plugin, cloud_functions):
    with launcher(keep=False).reader(plugin("Reader"), CONFIG) as reader:
        assert reader.check().passed
        assert len(cloud_functions.functions) == 1
    assert cloud_functions.functions == {}
