"""A plugin in the place gcp_functions behaves as it does here."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from dativo_dagster.launchers.gcp_functions import Config, Launcher
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import PluginRef, Stream
from dativo_ingest.opening import open_reader

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cloud_functions")]

READER = """
from dativo_ingest.plugins import BaseReader

class Reader(BaseReader):
    def extract(self, state_manager=None):
        for number in range(3):
            yield [{"id": number * 10 + row, "name": f"n{row}"} for row in range(10)]

class Broken(BaseReader):
    def extract(self, state_manager=None):
        raise RuntimeError("the source is on fire")
        yield
"""
CONFIG = {"tenant": "acme", "job": "orders", "source": {"type": "custom"}, "stream": {"name": "lines"}}


@pytest.fixture
def launcher(cloud_functions, gcs, gcs_prefix):
    options = {**cloud_functions.options, "staging": f"gs://{gcs.bucket}/{gcs_prefix}/"}
    reach = {"endpoint": gcs.endpoint, "anonymous": True}
    return lambda **changed: Launcher(Config.model_validate({**options, "staging_options": reach, **changed}))


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "reader.py"
    file.write_text(READER)
    return lambda name: PluginRef(path=str(file), name=name)


def rows(opened):
    with opened as reader:
        stream = Stream(name="lines")
        window = reader.split(stream, None)
        read = [batch for unit in window.units for batch in reader.read(stream, unit)]
        return pa.concat_tables([pa.table(batch) for batch in read]).to_pylist()


def test_a_reader_gives_the_rows_that_it_gives_here_and_leaves_no_row_in_the_staging_folder(
    launcher, plugin, gcs, gcs_prefix
):
    config = {**CONFIG, "base": os.fspath(".")}
    here = rows(open_reader(plugin("Reader"), config))
    there = rows(launcher().reader(plugin("Reader"), config))
    assert len(here) == 30
    assert there == here
    assert gcs.keys(gcs_prefix) == []


def test_an_error_of_the_plugin_comes_with_its_class_and_its_traceback(launcher, plugin):
    config = {**CONFIG, "base": os.fspath(".")}
    with pytest.raises(DativoError, match="the source is on fire") as raised:
        rows(launcher().reader(plugin("Broken"), config))
    assert "reader.py" in raised.value.details["remote_traceback"]


def test_a_function_that_is_not_kept_goes_with_its_opening(launcher, plugin, cloud_functions):
    config = {**CONFIG, "base": os.fspath(".")}
    with launcher(keep=False).reader(plugin("Reader"), config) as reader:
        assert reader.check().passed
        assert len(cloud_functions.functions) == 1
    assert cloud_functions.functions == {}
