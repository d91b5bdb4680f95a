"""The plugin guide of the earlier system runs here as it is written: each Python block of it, unmodified.

The blocks lie in `seed_guide/`, named by their section. The guide leaves the class `MyAPIClient` to its reader, so one
is put among the builtins. Its Rust reader is read in tests/unit/dativo_ingest/test_native_json_reader.py.
"""

from __future__ import annotations

import builtins
import json
import logging
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from dativo_ingest import AuthenticationError, BaseReader, ConnectionTestResult
from dativo_ingest.cloud_plugin_executor import CloudExecutionConfig
from dativo_ingest.config import SourceConfig
from dativo_ingest.loader import plugin_ref
from dativo_ingest.model import Stream
from dativo_ingest.opening import open_reader, open_writer

BLOCKS = Path(__file__).parent / "seed_guide"
CLIENT = '''
class MyAPIClient:
    """Three users in two pages, one order."""

    def __init__(self, base_url, api_key):
        assert base_url == "https://api.example.com"
        assert api_key

    def ping(self):
        return type("Answer", (), {"version": "1"})()

    def list_objects(self):
        return [type("Object", (), {"name": n, "description": f"all {n}"})() for n in ("users", "orders")]

    def get_page(self, name, page):
        pages = {"users": [[{"id": 1}, {"id": 2}], [{"id": 3}]], "orders": [[{"id": 7}]]}[name]
        return pages[page - 1] if page <= len(pages) else []

    def get_count(self):
        return 4
'''


def _block(name):
    return (BLOCKS / f"{name}.txt").read_text()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as the guide has it."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_reader.py").write_text(_block("python_plugins-basic_reader_example.py"))
    (tmp_path / "plugins" / "my_writer.py").write_text(_block("python_plugins-basic_writer_example.py"))
    names = {}
    exec(CLIENT, names)
    monkeypatch.setattr(builtins, "MyAPIClient", names["MyAPIClient"], raising=False)
    monkeypatch.setenv("API_KEY", "test_key")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sides(project):
    """The job of the guide, its one variable filled in."""
    return yaml.safe_load(_block("python_plugins-using_the_plugin.yaml").replace("${API_KEY}", "test_key"))


def test_the_reader_reads(project, sides):
    source = sides["source"]
    with open_reader(plugin_ref(source["custom_reader"], project), {"source": {"type": "custom", **source}}) as reader:
        stream = Stream(name="users")
        window = reader.split(stream, None)
        rows = [row["id"] for b in reader.read(stream, window.units[0]) for row in b.to_pylist()]
        assert (rows, window.units[0].rows) == ([1, 2, 3, 7], 4)
        assert reader.check().passed
        assert [(s.name, s.description) for s in reader.discover()] == [
            ("users", "all users"),
            ("orders", "all orders"),
        ]


def test_the_readers_own_error_code_reaches_the_check(project, sides, monkeypatch):
    monkeypatch.setattr(builtins.MyAPIClient, "ping", lambda self: 1 / 0)
    source = sides["source"]
    with open_reader(plugin_ref(source["custom_reader"], project), {"source": {"type": "custom", **source}}) as reader:
        result = reader.check()
    assert (result.passed, result.code, result.retryable) == (False, "CONNECTION_ERROR", True)


def test_the_writer_writes_and_commits(project, sides):
    import pyarrow as pa

    target = sides["target"]
    config = {
        "asset": {"name": "users"},
        "target": {"type": "custom", **target},
        "output_base": str(project / "out" / "x"),
    }
    with open_writer(plugin_ref(target["custom_writer"], project), config) as writer:
        assert writer.check().passed
        files = writer.write([pa.record_batch({"id": [1, 2]}), pa.record_batch({"id": [3]})], "", "a")
        assert writer.commit("t", files) == {"status": "success", "files_added": 2, "total_records": 3}
    assert (project / "out" / "x" / "users_000000.json").read_text() == '{"id": 1}\n{"id": 2}\n'
    assert (project / "out" / "x" / "users_000001.json").read_text() == '{"id": 3}\n'


def test_the_job_runs_from_end_to_end(project):
    from dativo_dagster.config.load import load_job
    from dativo_dagster.pipeline.jobs import run_job

    contract = {"name": "users", "version": "1.0.0", "schema": [{"name": "id", "type": "integer"}]}
    job = yaml.safe_load(_block("python_plugins-using_the_plugin.yaml"))
    job["target"]["path"] = str(project / "out")
    (project / "job.yaml").write_text(yaml.safe_dump({"tenant": "acme", "contract": contract, **job}))
    result = run_job(load_job(project / "job.yaml"))
    (stream,) = result.streams
    assert stream.error is None
    assert (stream.status, stream.counts.read, stream.counts.written) == ("committed", 4, 4)
    written = [
        json.loads(line) for f in sorted((project / "out").glob("*.json")) for line in f.read_text().splitlines()
    ]
    assert written == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 7}]


def test_the_test_script_runs(project, monkeypatch, capsys):
    monkeypatch.syspath_prepend(project)
    (project / "try_it.py").write_text(_block("testing_plugins-local_testing.py"))
    runpy.run_path(str(project / "try_it.py"))
    for name in [n for n in sys.modules if n.partition(".")[0] == "plugins"]:
        monkeypatch.delitem(sys.modules, name)
    said = capsys.readouterr().out
    assert "Connection test: {'success': True, 'message': 'Connection successful'}" in said
    assert "Batch 1: 1 records\nSample: {'id': 3}" in said


def test_the_unit_tests_pass(project):
    (project / "conftest.py").write_text(f"import builtins\n{CLIENT}\nbuiltins.MyAPIClient = MyAPIClient\n")
    (project / "test_my_reader.py").write_text(_block("testing_plugins-unit_testing.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        capture_output=True,
        text=True,
        check=False,
        cwd=project,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("provider", ["aws_lambda", "gcp_cloud_functions"])
def test_the_blocks_on_cloud_execution_are_understood(provider):
    source = yaml.safe_load(_block(f"cloud_execution-{provider}_configuration.yaml"))["source"]
    config = CloudExecutionConfig.from_dict(SourceConfig(type="custom", **source).engine["cloud_execution"])
    assert (config.enabled, config.memory_mb, config.timeout_seconds) == (True, 512, 300)
    assert config.environment_variables == {"LOG_LEVEL": "INFO"}
    assert config.aws_config.get("subnets", ["subnet-xxx"]) == ["subnet-xxx"]


def _practice(name, **names):
    """Make a reader whose methods are those of a best practice; ``names`` are what that one leaves open."""
    exec(_block(f"best_practices-{name}.py"), names)
    functions = {n: f for n, f in names.items() if getattr(f, "__code__", None)}
    return type("Practice", (BaseReader,), {"extract": lambda self, state_manager=None: iter(()), **functions})


CONFIG = {"type": "custom", "connection": {"base_url": "x"}, "credentials": {"api_key": "k"}}


def test_best_practice_error_handling():
    reader = _practice("error_handling", records=[{"id": 1}])(None)
    assert list(reader.extract()) == [[{"id": 1}]]
    for raised, expected in ((ConnectionError("no"), RuntimeError), (KeyError("x"), ValueError)):
        pages = reader.extract()
        next(pages)
        with pytest.raises(expected):
            pages.throw(raised)


def test_best_practice_logging(caplog):
    reader = _practice("logging", __name__="plugin", _extract_pages=lambda self: iter([[{"id": 1}]]))(None)
    with caplog.at_level(logging.DEBUG):
        assert list(reader.extract()) == [[{"id": 1}]]
    assert "Extracted page with 1 records" in caplog.text


@pytest.mark.parametrize("missing", ["connection", "credentials"])
def test_best_practice_configuration_validation(missing):
    block = _block("best_practices-configuration_validation.py")
    indented = "".join(f"    {line}" for line in block.splitlines(keepends=True))
    names = {"BaseReader": BaseReader}
    exec(f"class Practice(BaseReader):\n{indented}\n    def extract(self, state_manager=None): yield []", names)
    assert names["Practice"](SourceConfig(**CONFIG))
    with pytest.raises(ValueError, match="is required"):
        names["Practice"](SourceConfig(**{**CONFIG, missing: {}}))


def test_best_practice_batch_size():
    reader = _practice("batch_size", _fetch_records=lambda self: ({"id": i} for i in range(2500)))(None)
    assert [len(page) for page in reader.extract()] == [1000, 1000, 500]


def test_best_practice_memory_management():
    names = {"_fetch_chunks": lambda self: iter([1, 2]), "_process_chunk": lambda self, chunk: [{"id": chunk}]}
    assert list(_practice("memory_management", **names)(None).extract()) == [[{"id": 1}], [{"id": 2}]]


def test_best_practice_testing_connection():
    names = {"ConnectionTestResult": ConnectionTestResult, "AuthenticationError": AuthenticationError}
    reader = _practice("testing_connection", **names)(None)
    reader.client = SimpleNamespace(ping=lambda: SimpleNamespace(version="2"), list_objects=list)
    assert reader.check_connection().details == {"server_version": "2", "authenticated": True}

    def refused():
        raise AuthenticationError("no")

    reader.client.list_objects = refused
    assert reader.check_connection().error_code == "AUTH_FAILED"
    reader.client.ping = lambda: 1 / 0
    assert reader.check_connection().error_code == "CONNECTION_ERROR"
