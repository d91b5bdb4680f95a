"""A plugin in a function behaves as if it were here. Rows travel through real buckets where a bucket could matter."""

from __future__ import annotations

import json
import logging
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.functions.call import Deployed, Settings
from dativo_dagster.functions.reading import FunctionReader
from dativo_dagster.functions.staging import Staging
from dativo_dagster.functions.writing import FunctionWriter
from dativo_dagster.storage import _bucket
from dativo_ingest.exceptions import ConfigurationError, DativoError, RateLimitError
from dativo_ingest.model import Cursor, PluginRef, Stream, Window
from tests.fakes.function_cloud import (
    FAKES,
    SECRET,
    SMALL,
    STREAM,
    UNIT,
    Cloud,
    ProcessCloud,
    arrived,
    deployed,
    staged,
)
from tests.fakes.placed import PLUGINS
from tests.fakes.scripted_function import Scripted

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("functions")]


@pytest.fixture(params=["s3", "gcs"])
def staging(request, s3_prefix):
    """A staging folder on each kind of bucket."""
    server = request.getfixturevalue(request.param)
    scheme = "s3" if request.param == "s3" else "gs"
    options = {key: value for key, value in server.connection.items() if key not in {"bucket", "project_id"}}
    return Staging(
        url=f"{scheme}://{server.bucket}/{s3_prefix}",
        connection={request.param: server.connection},
        options=options,
    )


@pytest.fixture
def near(tmp_path):
    """A staging folder of a file system that both sides see."""
    return Staging(url=f"file://{tmp_path}/staging")


def test_rows_come_whole_in_pieces(staging):
    come_whole(staging, SMALL)


def test_few_rows_come_whole_with_the_reply(near):
    come_whole(near, Settings())


def test_a_call_whose_rows_come_with_the_reply_puts_and_deletes_one_object_and_lists_nothing(staging, monkeypatch):
    asked = []

    def told(name, verb):
        return lambda *given, **options: asked.append(name) or verb(*given, **options)

    function = Scripted(lambda *_: {"result": [], "rows": {"inline": []}, "reached": None})
    reader = FunctionReader(deployed(staging, cloud=function))
    for name in ("put", "list", "delete"):
        monkeypatch.setattr(_bucket.obstore, name, told(name, getattr(_bucket.obstore, name)))
    assert list(reader.read(STREAM, UNIT)) == reader.discover() == []
    assert asked == ["put", "delete"] * 2
    assert staged(staging) == []


def come_whole(staging, settings):
    far = deployed(staging, settings, fault="schemas")
    reader = FunctionReader(far)
    batches = list(reader.read(STREAM, UNIT))
    assert [batch.to_pydict() for batch in batches] == [{"a": [1, 2]}] * 3 + [{"a": ["n/a"]}, {"a": [1, 2]}]
    assert reader.reached(Window(units=(UNIT,), fingerprint="f")).value["reads"] == 1
    assert staged(staging) == []
    usage = far.usage[0]
    assert (usage.verb, usage.unit, usage.memory_mb) == ("read", "1", 512)
    assert usage.usd is not None
    assert usage.usd > 0
    assert usage.peak_mb is not None


def test_one_question_has_one_answer(near):
    reader = FunctionReader(deployed(near))
    assert [stream.name for stream in reader.discover()] == ["orders", "shops"]
    assert reader.split(STREAM, Cursor(value={"at": 1})).before == Cursor(value={"at": 1})


def test_the_first_rows_are_here_while_the_plugin_makes_more_and_it_waits_for_us(near, tmp_path):
    flag = tmp_path / "until"
    cloud = ProcessCloud(FAKES)
    pieces = Settings(inline_bytes=0, piece_bytes=32 * 1024)
    far = deployed(near, pieces, cloud, fault="wait", until=str(flag))
    reading = FunctionReader(far).read(STREAM, UNIT)
    assert next(reading).num_rows == 2
    assert cloud.processes[0].poll() is None
    while len(waiting := arrived(near)) < pieces.ahead:
        time.sleep(0.05)  # a plugin that made no more would be the test's timeout
    assert len(waiting) <= pieces.ahead + 1
    flag.touch()
    batches, most = 1, 0
    for batches, batch in enumerate(reading, 2):
        assert batch.num_rows == 2
        most = max(most, len(arrived(near)) if batches % 40 == 0 else 0)
    assert batches > 3
    assert most <= pieces.ahead + 1
    assert staged(near) == []


def test_an_error_is_raised_as_the_plugin_raised_it_and_shows_no_secret(near, caplog, capfd):
    with pytest.raises(RateLimitError) as limited:
        list(FunctionReader(deployed(near, fault="raise")).read(STREAM, UNIT))
    assert limited.value.retry_after == 30
    assert "raise_whole" in limited.value.details["remote_traceback"]
    with caplog.at_level(logging.INFO, "dativo_ingest.plugin"), pytest.raises(DativoError) as told:
        list(FunctionReader(deployed(near, fault="secret")).read(STREAM, UNIT))
    assert SECRET not in "".join(capfd.readouterr())  # in a cloud, this is a log that others may read
    assert SECRET not in str(told.value) + json.dumps(told.value.details) + caplog.text
    records = [r for r in caplog.records if getattr(r, "event_type", "") == "plugin_log"]
    fields = records[0].fields
    assert (fields["unit"], fields["attempt"], fields["stream"]) == ("1", 1, STREAM.name)
    assert {"connecting with ***", "key ***"} <= {record.getMessage() for record in records}


COUNTING = """
import time
import pyarrow as pa
from dativo_ingest.model import CheckResult, Unit, Window

class Reader:
    repeatable = True
    def __init__(self, source): self.at = 0
    def check(self): return CheckResult(name="connection", passed=True)
    def discover(self): return []
    def split(self, stream, since): return Window(units=(Unit(id="1"),), fingerprint="f")
    def read(self, stream, unit):
        first = unit.spec.get("from", 0)
        for self.at in range(first, first + 10 if first else 10_000):  # the first time there is no end to it
            time.sleep(0.05)
            yield pa.table([pa.chunked_array([[self.at], [self.at]], pa.int64())], names=["n"])
    def rest(self, unit): return Unit(id=unit.id, spec={"from": self.at + 1})
    def position(self, unit): return self.at
    def reached(self, window): return window.after
"""


def test_a_unit_that_takes_longer_than_an_invocation_goes_on_in_the_next_and_every_row_comes_once(near, tmp_path):
    (tmp_path / "counting.py").write_text(COUNTING)

    class Hurried(Cloud):
        def run(self, payload, seconds):
            return super().run(payload, 8 if len(self.requests) == 1 else seconds)

    far = deployed(near, cloud=Hurried(tmp_path))
    far.plugin = PluginRef(path="counting.py", name="Reader")
    reader = FunctionReader(far)
    rows = [number for batch in reader.read(STREAM, UNIT) for number in batch.column(0).to_pylist()]
    assert rows == [number for number in range(rows[-1] + 1) for _ in range(2)]
    assert len(far.usage) == 2
    assert reader.repeatable
    assert staged(near) == []


def test_a_large_configuration_goes_through_the_staging_folder_alone(near):
    cloud = Cloud(FAKES, request_bytes=4000)
    far = deployed(near, cloud=cloud, text="ü" * 10_000)
    assert len(list(FunctionReader(far).read(STREAM, UNIT))) == 3
    assert SECRET.encode() not in cloud.requests[0]
    assert staged(near) == []


def test_an_answer_of_any_size_comes_home(near):
    name = "ü" * 100_000
    window = FunctionReader(deployed(near)).split(Stream(name=name), None)
    assert window.after == Cursor(value={"stream": name})
    assert staged(near) == []


def writer_config(base):
    return {"target": {"type": "custom"}, "asset": {"name": "o"}, "output_base": base, "stream": STREAM.to_json()}


def test_files_of_a_writer_are_brought_home(staging, tmp_path):
    bring_home(staging, tmp_path, 7)


def test_a_writer_without_rows_brings_home_what_it_wrote(near, tmp_path):
    bring_home(near, tmp_path, 0)


def bring_home(staging, tmp_path, count):
    (tmp_path / "plugins.py").write_text(PLUGINS)
    base = f"file://{tmp_path}/lake/"
    far = Deployed(
        functions=Cloud(tmp_path),
        staging=staging,
        role="writer",
        plugin=PluginRef(path="plugins.py", name="Writer"),
        config={**writer_config(base), "commits": False},
        settings=SMALL,
    )
    batches = [pa.record_batch({"a": [number]}) for number in range(max(count, 1))]
    batches = [batch.slice(0, min(count, 1)) for batch in batches]
    (file,) = FunctionWriter(far).write(batches, base, "part-1")
    assert file.path == f"{base}part-1.parquet"
    assert file.rows == count
    assert pq.read_table(tmp_path / "lake" / "part-1.parquet")["a"].to_pylist() == list(range(count))
    assert staged(staging) == []


def test_a_writer_that_commits_needs_a_bucket(near):
    config = {**writer_config("/tmp/lake"), "commits": True}
    plugin = PluginRef(path="hostile.py", name="Writer")
    far = Deployed(functions=Cloud(FAKES), staging=near, role="writer", plugin=plugin, config=config)
    with pytest.raises(ConfigurationError, match="give the target a bucket"):
        FunctionWriter(far)
