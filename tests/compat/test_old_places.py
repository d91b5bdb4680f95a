"""Code of the earlier system that calls a sandbox or a cloud executor by itself reaches the places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dativo_dagster.owner import host_label
from dativo_ingest.cloud_plugin_executor import (
    CloudExecutionConfig,
    CloudPluginExecutor,
    CloudReaderWrapper,
    CloudWriterWrapper,
    create_cloud_executor,
    create_cloud_reader_wrapper,
    create_cloud_writer_wrapper,
)
from dativo_ingest.config import AssetDefinition, SourceConfig, TargetConfig
from dativo_ingest.exceptions import PluginError, RateLimitError, SandboxError
from dativo_ingest.plugins import BaseReader, PluginLoader
from dativo_ingest.sandbox import PluginSandbox

PLUGIN = '''
import json, os
from pathlib import Path
import pyarrow as pa
from dativo_ingest.exceptions import RateLimitError
from dativo_ingest.plugins import BaseReader, BaseWriter, ConnectionTestResult, DiscoveryResult

class Reader(BaseReader):
    def check_connection(self):
        seen = os.environ.get("OF_THE_HOST")
        return ConnectionTestResult(True, f"host {seen}", details=self.source_config.connection)

    def discover(self):
        return DiscoveryResult([{"name": "users", "type": "table"}])

    def get_total_records_estimate(self):
        return 3

    def extract(self, state_manager=None):
        yield pa.record_batch({"id": [1, 2], "name": ["Ann", None]})
        if self.source_config.connection.get("limited"):
            raise RateLimitError("come again")
        yield pa.record_batch({"id": [3], "name": ["Cem"]})

class Writer(BaseWriter):
    """Commits only what this very instance wrote."""

    def __init__(self, asset_definition, target_config, output_base):
        super().__init__(asset_definition, target_config, output_base)
        self.written = []

    def write_batch(self, records, file_counter):
        path = Path(self.output_base, f"{self.asset_definition.name}-{file_counter}.json")
        path.write_text(json.dumps(records))
        self.written.append(str(path))
        return [{"path": str(path), "record_count": len(records), "partition": "all"}]

    def commit_files(self, file_metadata):
        Path(self.output_base, "committed").write_text(json.dumps(self.written))
        return {"status": "success", "files_added": len(file_metadata), "host": os.environ.get("OF_THE_HOST")}
'''
SOURCE = {"type": "custom", "connection": {"host": "db"}}
ROWS = [[{"id": 1, "name": "Ann"}, {"id": 2, "name": None}], [{"id": 3, "name": "Cem"}]]


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The plugin's file in the working directory of a host that has a secret."""
    (tmp_path / "api.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_THE_HOST", "sk-1")
    return tmp_path


@pytest.fixture
def made(plugin):
    """What the writer is made with; its folder can be written by the user of a container."""
    out = plugin / "out"
    out.mkdir()
    out.chmod(0o777)
    schema = [{"name": "id", "type": "integer"}]
    return {"asset_definition": {"name": "users", "schema": schema}, "target_config": {}, "output_base": str(out)}


@pytest.mark.integration
@pytest.mark.docker
@pytest.mark.xdist_group("docker")
class TestASandbox:
    @pytest.fixture
    def box(self, plugin, base_images):
        with PluginSandbox("api.py:Reader", cpu_limit=0.5, memory_limit="256m", timeout=60) as box:
            yield box

    def test_it_answers_each_call_of_old_from_one_container(self, box, base_images):
        found = box.execute("check_connection", source_config=SOURCE)
        assert found == {"success": True, "message": "host None", "details": {"host": "db"}}
        assert box.execute("discover", source_config=SOURCE)["objects"][0]["name"] == "users"
        assert box.execute("get_total_records_estimate", source_config=SourceConfig(**SOURCE)) == 3
        assert box.execute("extract", source_config=SOURCE, state_manager={}) == ROWS
        [container] = _containers(base_images)
        limits = container.attrs["HostConfig"]
        assert (limits["NanoCpus"], limits["Memory"], limits["NetworkMode"]) == (500_000_000, 256 << 20, "none")
        box.close()
        assert _containers(base_images) == []

    def test_an_error_of_the_plugin_keeps_its_class(self, box):
        with pytest.raises(RateLimitError, match="come again"):
            box.execute("extract", source_config={**SOURCE, "connection": {"limited": True}})

    def test_a_writer_commits_what_it_wrote(self, made, base_images):
        with PluginSandbox("api.py:Writer") as box:
            [file] = box.execute("write_batch", [{"id": 1}], 7, **made)
            assert (file["record_count"], file["partition"]) == (1, "all")
            said = box.execute("commit_files", [file], **made)
        assert (said["files_added"], said["host"]) == (1, None)
        [written] = json.loads(Path(made["output_base"], "committed").read_text())
        assert json.loads(Path(written).read_text()) == [{"id": 1}]

    def test_a_class_loaded_in_cloud_mode_runs_there(self, plugin, base_images):
        found = PluginLoader.load_reader("api.py:Reader", mode="cloud")
        assert issubclass(found, BaseReader)
        reader = found(SourceConfig(**SOURCE))
        try:
            assert reader.check_connection().message == "host None"
            assert list(reader.extract()) == ROWS
        finally:
            reader.close()


def _containers(client):
    return client.containers.list(filters={"label": f"dativo.host={host_label()}"}, ignore_removed=True)


def test_what_a_sandbox_cannot_do_is_said_before_a_container_starts(plugin):
    box = PluginSandbox("api.py:Reader")
    with pytest.raises(SandboxError, match="what can be called is check_connection, discover") as caught:
        box.execute("rm_rf", source_config=SOURCE)
    assert caught.value.error_code == "PLACE_UNSUPPORTED"
    with pytest.raises(TypeError, match="needs what the plugin is made with: source_config"):
        box.execute("extract")
    with pytest.raises(ValueError, match=r"gone\.py"):
        PluginSandbox("gone.py:Reader").execute("extract", source_config=SOURCE)


@pytest.mark.integration
@pytest.mark.xdist_group("cloud_functions")
class TestAFunction:
    @pytest.fixture
    def config(self, plugin, gcp_place):
        said = {"enabled": True, "provider": "gcp", "runtime": "python3.11", "gcp": gcp_place}
        return CloudExecutionConfig.from_dict(said)

    def test_it_answers_each_call_of_old(self, config):
        executor = create_cloud_executor(config)
        known = executor.deploy_plugin("api.py:Reader", "python", "dativo-reader-1")

        def ask(operation, **more):
            reply = executor.invoke_plugin(known, {"operation": operation, "config": SOURCE, **more})
            assert reply["statusCode"] == 200
            return json.loads(reply["body"])

        try:
            assert ask("check_connection")["details"] == {"host": "db"}
            assert ask("discover")["objects"][0]["name"] == "users"
            pages = [ask("extract", batch_index=index) for index in (0, 1, 2)]
            assert pages == [*({"batch": page, "has_more": True} for page in ROWS), {"batch": None, "has_more": False}]
            assert ask("extract", batch_index=1)["batch"] == ROWS[1]
            with pytest.raises(SandboxError, match="cannot be called in a function"):
                ask("rm_rf")
        finally:
            executor.cleanup_plugin(known)
        with pytest.raises(ValueError, match="no plugin is deployed"):
            ask("discover")

    def test_a_class_of_old_reads_in_it(self, config):
        reader = create_cloud_reader_wrapper("api.py:Reader", "python", config)(SourceConfig(**SOURCE))
        try:
            assert reader.check_connection().success
            assert list(reader.extract()) == ROWS
        finally:
            reader.close()

    def test_a_loaded_class_reads_in_it(self, config):
        said = {"enabled": True, "provider": "gcp", "gcp": config.gcp_config}
        reader = PluginLoader.load_reader("api.py:Reader", said)(SourceConfig(**SOURCE))
        try:
            assert reader.check_connection().message == "host None"
            assert list(reader.extract()) == ROWS
        finally:
            reader.close()

    def test_a_writer_that_nobody_could_see_the_files_of_is_refused(self, config, made):
        found = create_cloud_writer_wrapper("api.py:Writer", "python", config)
        writer = found(AssetDefinition(**made["asset_definition"]), TargetConfig(), made["output_base"])
        with pytest.raises(Exception, match="give the target a bucket") as caught:
            writer.write_batch([{"id": 1}], 0)
        assert caught.value.error_code == "PLACE_UNSUPPORTED"


class Scripted(CloudPluginExecutor):
    """An executor of somebody else, as the tests of old have it."""

    provider = "gcp"

    def __init__(self, *bodies, status=200):
        super().__init__(CloudExecutionConfig())
        self.bodies, self.status, self.asked = list(bodies), status, []

    def deploy_plugin(self, plugin_path, plugin_type, function_name):
        return f"arn:{function_name}"

    def invoke_plugin(self, function_identifier, payload):
        self.asked.append(payload)
        return {"statusCode": self.status, "body": json.dumps(self.bodies.pop(0))}

    def cleanup_plugin(self, function_identifier):
        self.asked.append(function_identifier)


def test_an_executor_of_ones_own_is_asked_as_before():
    executor = Scripted({"batch": [{"id": 1}], "has_more": True}, {"batch": [{"id": 2}], "has_more": False})
    reader = CloudReaderWrapper(SourceConfig(type="custom", objects=["a"]), "api.py:Reader", "python", executor)
    assert list(reader.extract()) == [[{"id": 1}], [{"id": 2}]]
    assert [asked["batch_index"] for asked in executor.asked] == [0, 1]
    assert executor.asked[0]["config"] == {"type": "custom", "objects": ["a"]}
    reader.close()
    assert executor.asked[-1].startswith("arn:dativo-reader-")


def test_a_writer_of_ones_own_executor_is_asked_as_before():
    executor = Scripted({"metadata": [{"path": "s3://b/1"}]})
    asset, target = AssetDefinition(name="users", schema=[{"name": "id"}]), TargetConfig(type="s3")
    writer = CloudWriterWrapper(asset, target, "s3://b", "api.py:Writer", "python", executor)
    assert writer.write_batch([{"id": 1}], 4) == [{"path": "s3://b/1"}]
    [asked] = executor.asked
    assert (asked["operation"], asked["file_counter"], asked["config"]["asset_name"]) == ("write_batch", 4, "users")


def test_a_reply_that_failed_is_no_end_of_the_data():
    executor = Scripted({"error": "boom", "traceback": "..."}, {"error": "boom"}, status=500)
    reader = CloudReaderWrapper(SourceConfig(type="custom"), "api.py:Reader", "python", executor)
    with pytest.raises(PluginError, match="boom"):
        list(reader.extract())
    found = reader.check_connection()
    assert (found.success, found.error_code) == (False, "CLOUD_EXECUTION_ERROR")


def test_a_cloud_block_that_is_not_enabled_changes_nothing(plugin):
    for said in ({"enabled": False}, CloudExecutionConfig()):
        found = PluginLoader.load_reader("api.py:Reader", cloud_config=said)
        assert found(SourceConfig(**SOURCE)).check_connection().message == "host sk-1"


def test_what_cannot_be_deployed_is_a_value_error(plugin):
    executor = create_cloud_executor(CloudExecutionConfig(provider="aws"))
    with pytest.raises(ValueError, match="cobol"):
        executor.deploy_plugin("api.py:Reader", "cobol", "f")
    with pytest.raises(ValueError, match=r"gone\.py"):
        executor.deploy_plugin("gone.py:Reader", "python", "f")
    with pytest.raises(ValueError, match="none of type 'rust'"):
        executor.deploy_plugin("api.py:Reader", "rust", "f")
    with pytest.raises(ValueError, match="azure"):
        create_cloud_executor(CloudExecutionConfig(provider="azure"))
