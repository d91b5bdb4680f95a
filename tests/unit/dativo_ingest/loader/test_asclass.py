from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.plugins import BaseReader, BaseWriter, PluginLoader
from tests.native import native_library

pytestmark = pytest.mark.rust


@pytest.fixture(scope="module")
def library():
    return native_library("legacy_json")


def test_a_library_loaded_the_old_way_reads_pages_of_rows(library):
    made = PluginLoader.load_reader(f"{library}:create_reader")
    assert issubclass(made, BaseReader)
    reader = made(SourceConfig(type="custom", engine={"options": {"rows": 25, "batch_size": 10}}))
    pages = list(reader.extract(state_manager=None))
    assert sum(map(len, pages)) == 25
    assert isinstance(pages[0][0], dict)
    assert reader.check_connection().success
    assert reader.discover().objects == []
    reader.close()


def test_a_library_loaded_the_old_way_writes_rows_and_commits(library, tmp_path):
    made = PluginLoader.load_rust_plugin(f"{library}:create_writer", BaseWriter)
    asset = AssetDefinition(name="people", schema=[{"name": "id", "type": "integer"}])
    writer = made(asset, TargetConfig(type="custom"), str(tmp_path))
    files = list(itertools.chain(writer.write_batch([{"id": 1}, {"id": 2}], 0), writer.write_batch([{"id": 3}], 1)))
    assert [f["record_count"] for f in files] == [2, 1]
    assert all(Path(f["path"]).is_relative_to(tmp_path) and Path(f["path"]).exists() for f in files)
    assert writer.commit_files(files)["status"] == "success"
    assert writer.write_batch([], 2) == []
    writer.close()


def test_a_library_meant_for_a_sandbox_is_not_loaded_here_where_there_is_none(library, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    make = PluginLoader.load_reader(f"{library}:create_reader", mode="cloud")
    with pytest.raises(SandboxError, match="Docker engine"):
        make(SourceConfig(type="custom"))
