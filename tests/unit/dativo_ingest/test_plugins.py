from __future__ import annotations

import inspect
import textwrap

import pytest

from dativo_ingest import plugins
from dativo_ingest.config import PluginConfig, PluginSandboxConfig, SourceConfig
from dativo_ingest.exceptions import PluginError, SandboxError
from dativo_ingest.plugins import BaseReader, BaseWriter, ConnectionTestResult, DiscoveryResult, PluginLoader


class Reader(BaseReader):
    def extract(self, state_manager=None):
        yield [{"id": 1}]


class Writer(BaseWriter):
    def write_batch(self, records, file_counter):
        return [{"path": "x"}]


def test_signatures_are_the_kept_ones():
    def names(function):
        return list(inspect.signature(function).parameters)

    assert names(ConnectionTestResult) == ["success", "message", "error_code", "details"]
    assert names(DiscoveryResult) == ["objects", "metadata"]
    assert names(BaseReader.__init__) == ["self", "source_config"]
    assert names(BaseReader.extract) == ["self", "state_manager"]
    assert names(BaseWriter.__init__) == ["self", "asset_definition", "target_config", "output_base"]
    assert names(BaseWriter.write_batch) == ["self", "records", "file_counter"]
    assert names(BaseWriter.commit_files) == ["self", "file_metadata"]
    assert names(PluginLoader.load_reader)[:4] == ["plugin_path", "mode", "sandbox_config", "plugin_config"]
    assert names(PluginLoader.load_writer) == names(PluginLoader.load_reader)
    assert names(PluginLoader.load_class_from_path) == ["plugin_path", "base_class"]
    assert plugins.PLUGIN_SDK_VERSION == "1.0.0"
    assert (BaseReader.__version__, BaseWriter.__version__) == ("1.0.0", "1.0.0")


def test_results_turn_into_dicts_without_what_is_empty():
    assert ConnectionTestResult(success=True, message="ok").to_dict() == {"success": True, "message": "ok"}
    failed = ConnectionTestResult(False, "no", "AUTH_FAILED", {"a": 1})  # noqa: FBT003 - plugins do so
    assert failed.to_dict() == {"success": False, "message": "no", "error_code": "AUTH_FAILED", "details": {"a": 1}}
    assert ConnectionTestResult(success=True, message="ok").details == {}
    assert DiscoveryResult([{"name": "a"}]).to_dict() == {"objects": [{"name": "a"}], "metadata": {}}


def test_what_a_plugin_need_not_write_has_an_answer():
    reader, writer = Reader(None), Writer("asset", "target", "base")
    assert reader.check_connection().success
    assert reader.discover().objects == []
    assert reader.get_total_records_estimate() is None
    assert (writer.asset_definition, writer.target_config, writer.output_base) == ("asset", "target", "base")
    assert writer.commit_files([{}, {}]) == {"status": "success", "files_added": 2}
    reader.close()


@pytest.mark.parametrize("base", [BaseReader, BaseWriter])
def test_the_one_method_must_be_written(base):
    with pytest.raises(TypeError, match="abstract"):
        base(None) if base is BaseReader else base(None, None, None)


def test_a_writer_of_arrow_need_not_write_rows():
    class Arrow(BaseWriter):
        def write_arrow(self, batch, file_counter):
            return [{"path": "x", "record_count": batch.num_rows}]

    from dativo_ingest.config import AssetDefinition

    writer = Arrow(AssetDefinition(name="a"), None, "")
    assert writer.write_batch([{"a": 1}, {"a": 2}], 0) == [{"path": "x", "record_count": 2}]


def test_an_instance_made_by_hand_checks_the_sdk_too():
    class Late(Reader):
        requires_sdk = "<1"

    with pytest.raises(PluginError, match="<1"):
        Late(None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "api.py"
    path.write_text(
        textwrap.dedent("""
        from dativo_ingest import BaseReader
        class Api(BaseReader):
            def extract(self, state_manager=None):
                yield []
        class Other: pass
        number = 5
        """)
    )
    return path


def test_the_old_loader_gives_the_class(file):
    assert issubclass(PluginLoader.load_reader(f"{file}:Api"), BaseReader)
    assert PluginLoader.load_class_from_path(f"{file}:Api", BaseReader) is PluginLoader.load_reader(f"{file}:Api")


@pytest.mark.parametrize("name", ["api.py", "none.py:Api", ".:Api", "api.py:Missing"])
def test_the_old_loader_raises_a_value_error_for_what_leads_nowhere(file, monkeypatch, name):
    monkeypatch.chdir(file.parent)
    with pytest.raises(ValueError):
        PluginLoader.load_class_from_path(name, BaseReader)


@pytest.mark.parametrize("name", ["Other", "number"])
def test_the_old_loader_raises_a_plugin_error_for_another_kind_of_thing(file, name):
    with pytest.raises(PluginError):
        PluginLoader.load_class_from_path(f"{file}:{name}", BaseReader)


@pytest.mark.parametrize(
    ("path", "kind"), [("a.py:B", "python"), ("a.so:f", "rust"), ("a.dylib:f", "rust"), ("a:B", "python")]
)
def test_the_suffix_before_the_first_colon_tells_the_language(path, kind):
    assert PluginLoader._detect_plugin_type(path) == kind


def test_a_library_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(ValueError, match="not found"):
        PluginLoader.load_rust_plugin(f"{tmp_path}/libx.so:create_reader", BaseReader)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "cloud"},
        {"sandbox_config": PluginSandboxConfig()},
        {"sandbox_config": {}},
        {"plugin_config": PluginConfig(sandbox={"enabled": True})},
    ],
)
def test_a_plugin_meant_for_a_sandbox_is_never_executed_here(tmp_path, monkeypatch, options):
    path = tmp_path / "api.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    confined = PluginLoader.load_reader(f"{path}:Api", **options)
    assert issubclass(confined, BaseReader)
    with pytest.raises(SandboxError) as caught:
        confined(SourceConfig(type="custom"))
    assert caught.value.error_code == "DOCKER_UNAVAILABLE"
    assert not (tmp_path / "ran").exists()


def test_a_sandbox_that_is_switched_off_does_not_hinder(file):
    made = PluginLoader.load_reader(f"{file}:Api", mode="cloud", sandbox_config=PluginSandboxConfig(enabled=False))
    assert issubclass(made, BaseReader)
