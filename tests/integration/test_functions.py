"""A plugin in a function behaves as if it were here: rows travel through real buckets, instances are processes."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.functions.call import Deployed, Settings
from dativo_dagster.functions.reading import FunctionReader
from dativo_dagster.functions.staging import Staging
from dativo_dagster.functions.writing import FunctionWriter
from dativo_dagster.owner import host_label, is_gone
from dativo_dagster.storage import Storage
from dativo_ingest.exceptions import ConfigurationError, DativoError, RateLimitError, SandboxError, TransientError
from dativo_ingest.model import Cursor, PluginRef, Stream, Unit
from tests.fakes.function_cloud import ProcessCloud

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("functions")]

FAKES = Path(__file__).parents[1] / "fakes"
READER = PluginRef(path="hostile.py", name="Reader")
STREAM, UNIT = Stream(name="bestellungen-ä"), Unit(id="1")
SECRET = "sk-canary-55102"
SMALL = Settings(inline_bytes=0, piece_bytes=1)

CARRIED = """
import pyarrow as pa, pyarrow.parquet as pq
from dativo_ingest.model import CheckResult, DataFile

class Writer:
    commits = False
    def __init__(self, asset, target, output_base): pass
    def check(self): return CheckResult(name="connection", passed=True)
    def write(self, batches, base, name):
        table = pa.Table.from_batches(list(batches))
        path = base.removeprefix("file://") + name + ".parquet"
        pq.write_table(table, path)
        return [DataFile(path=path, rows=table.num_rows, bytes=1)]
    def commit(self, token, files): return {}
    def abort(self, files): pass
"""


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
def on_s3(s3, s3_prefix):
    """A staging folder on S3."""
    options = {key: value for key, value in s3.connection.items() if key != "bucket"}
    return Staging(url=f"s3://{s3.bucket}/{s3_prefix}", connection={"s3": s3.connection}, options=options)


def deployed(staging, settings=SMALL, cloud=None, **source):
    config = {
        "source": {"credentials": {"api": SECRET}, **source},
        "stream": STREAM.to_json(),
        "tenant": "t",
        "job": "j",
    }
    functions = cloud or ProcessCloud(FAKES)
    return Deployed(
        functions=functions, staging=staging, role="reader", plugin=READER, config=config, settings=settings
    )


def staged(staging) -> list[str]:
    return [file.path for file in Storage.open(staging.url, staging.connection).list(staging.url)]


def arrived(staging) -> list[str]:
    return [path for path in staged(staging) if path.endswith(".arrow")]


@pytest.mark.parametrize("settings", [Settings(), SMALL])
def test_rows_come_whole_inline_or_in_pieces(staging, settings):
    far = deployed(staging, settings, fault="schemas")
    reader = FunctionReader(far)
    batches = list(reader.read(STREAM, UNIT))
    assert [batch.to_pydict() for batch in batches] == [{"a": [1, 2]}] * 3 + [{"a": ["n/a"]}, {"a": [1, 2]}]
    assert reader.reached(reader.split(STREAM, None)).value["reads"] == 1
    assert staged(staging) == []
    usage = far.usage[0]
    assert (usage.verb, usage.unit, usage.memory_mb) == ("read", "1", 512)
    assert usage.usd is not None
    assert usage.usd > 0
    assert usage.peak_mb is not None


def test_one_question_has_one_answer(on_s3):
    reader = FunctionReader(deployed(on_s3))
    assert [stream.name for stream in reader.discover()] == ["orders", "shops"]
    assert reader.check().code == "SHOP_CLOSED"
    assert reader.split(STREAM, Cursor(value={"at": 1})).before == Cursor(value={"at": 1})


def test_the_first_rows_are_here_while_the_plugin_makes_more_and_it_waits_for_us(on_s3, tmp_path):
    flag = tmp_path / "until"
    cloud = ProcessCloud(FAKES)
    pieces = Settings(inline_bytes=0, piece_bytes=32 * 1024)
    far = deployed(on_s3, pieces, cloud, fault="wait", until=str(flag))
    reading = FunctionReader(far).read(STREAM, UNIT)
    assert next(reading).num_rows == 2
    assert cloud.processes[0].poll() is None
    while len(waiting := arrived(on_s3)) < pieces.ahead:
        time.sleep(0.05)  # a plugin that made no more would be the test's timeout
    assert len(waiting) <= pieces.ahead + 1
    flag.touch()
    batches, most = 1, 0
    for batches, batch in enumerate(reading, 2):
        assert batch.num_rows == 2
        most = max(most, len(arrived(on_s3)) if batches % 40 == 0 else 0)
    assert batches > 3
    assert most <= pieces.ahead + 1
    assert staged(on_s3) == []


def test_a_read_that_is_broken_off_ends_the_function_and_leaves_nothing(on_s3):
    cloud = ProcessCloud(FAKES)
    reading = FunctionReader(deployed(on_s3, cloud=cloud, fault="endless")).read(STREAM, UNIT)
    next(reading)
    reading.close()
    cloud.processes[0].wait(10)
    assert staged(on_s3) == []


def test_a_plugin_that_hangs_is_cancelled_within_two_seconds(on_s3):
    cloud = ProcessCloud(FAKES)
    far = deployed(on_s3, cloud=cloud, fault="hang outside Python")
    reading = FunctionReader(far).read(STREAM, UNIT)
    assert [next(reading).num_rows for _ in range(3)] == [2, 2, 2]
    far.cancel()
    began = time.monotonic()
    with pytest.raises(DativoError) as caught:
        next(reading)
    assert caught.value.error_code == "CANCELLED"
    cloud.processes[0].wait(10)
    assert time.monotonic() - began < 8
    assert staged(on_s3) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [("segfault", "PLUGIN_CRASHED"), ("killed", "PLUGIN_OUT_OF_MEMORY"), ("exit", "PLUGIN_CRASHED")],
)
def test_a_crash_of_the_plugin_is_an_error_that_tells(on_s3, fault, code):
    with pytest.raises(DativoError) as caught:
        list(FunctionReader(deployed(on_s3, fault=fault)).read(STREAM, UNIT))
    assert caught.value.error_code == code
    assert caught.value.details["unit"] == "1"
    assert staged(on_s3) == []


def test_an_instance_that_dies_is_an_error_and_leaves_nothing(on_s3):
    cloud = ProcessCloud(FAKES)
    far = deployed(on_s3, cloud=cloud, fault="endless")
    reading = FunctionReader(far).read(STREAM, UNIT)
    next(reading)
    cloud.processes[0].kill()
    with pytest.raises(SandboxError) as caught:
        list(reading)
    assert caught.value.error_code == "FUNCTION_CRASHED"
    assert staged(on_s3) == []
    assert far.usage[0].seconds > 0
    assert far.usage[0].usd > 0


def test_an_error_is_raised_as_the_plugin_raised_it_and_shows_no_secret(on_s3, caplog, capfd):
    with pytest.raises(RateLimitError) as limited:
        list(FunctionReader(deployed(on_s3, fault="raise")).read(STREAM, UNIT))
    assert limited.value.retry_after == 30
    assert "raise_whole" in limited.value.details["remote_traceback"]
    with caplog.at_level(logging.INFO, "dativo_ingest.plugin"), pytest.raises(DativoError) as told:
        list(FunctionReader(deployed(on_s3, fault="secret")).read(STREAM, UNIT))
    assert SECRET not in "".join(capfd.readouterr())  # in a cloud, this is a log that others may read
    assert SECRET not in str(told.value) + json.dumps(told.value.details) + caplog.text
    records = [r for r in caplog.records if getattr(r, "event_type", "") == "plugin_log"]
    fields = records[0].fields
    assert (fields["unit"], fields["attempt"], fields["stream"]) == ("1", 1, STREAM.name)
    assert {"connecting with ***", "key ***"} <= {record.getMessage() for record in records}


def test_the_verb_ends_before_the_time_of_the_invocation_does(on_s3):
    far = deployed(on_s3, cloud=ProcessCloud(FAKES, seconds=4), fault="hang")
    with pytest.raises(TransientError) as caught:
        list(FunctionReader(far).read(STREAM, UNIT))
    assert caught.value.error_code == "FUNCTION_TIMEOUT"
    assert staged(on_s3) == []


class Losing(ProcessCloud):
    """Loses a piece that was written."""

    def __init__(self, staging):
        super().__init__(FAKES)
        self.staging = staging

    def invoke(self, payload, seconds):
        url = json.loads(payload)["staging"]["url"]
        answer = super().invoke(payload, seconds)
        reply = json.loads(answer.payload)
        Storage.open(url, self.staging.connection).delete(url + reply["rows"]["pieces"][-1]["key"])
        reply["rows"]["pieces"].append({**reply["rows"]["pieces"][-1], "key": "000009.arrow"})
        return type(answer)(payload=json.dumps(reply).encode(), function=answer.function, seconds=1)


def test_a_piece_that_is_lost_is_an_error_and_never_fewer_rows(on_s3):
    with pytest.raises(SandboxError) as caught:
        list(FunctionReader(deployed(on_s3, cloud=Losing(on_s3))).read(STREAM, UNIT))
    assert caught.value.error_code == "FUNCTION_ROWS_LOST"


def test_a_large_configuration_goes_through_the_staging_folder_alone(on_s3):
    cloud = ProcessCloud(FAKES, request_bytes=4000)
    far = deployed(on_s3, cloud=cloud, text="ü" * 10_000)
    assert len(list(FunctionReader(far).read(STREAM, UNIT))) == 3
    assert SECRET.encode() not in cloud.requests[0]
    with pytest.raises(ConfigurationError) as caught:
        list(FunctionReader(far).read(STREAM, Unit(id="1", spec={"text": "x" * 5000})))
    assert caught.value.error_code == "FUNCTION_LIMIT"
    assert staged(on_s3) == []


def test_an_answer_of_any_size_comes_home(on_s3):
    name = "ü" * 100_000
    window = FunctionReader(deployed(on_s3)).split(Stream(name=name), None)
    assert window.after == Cursor(value={"stream": name})
    assert staged(on_s3) == []


def writer_config(base):
    return {"target": {"type": "custom"}, "asset": {"name": "o"}, "output_base": base, "stream": STREAM.to_json()}


@pytest.mark.parametrize("count", [0, 7])
def test_files_of_a_writer_are_brought_home(staging, tmp_path, count):
    (tmp_path / "carried.py").write_text(CARRIED)
    base = f"file://{tmp_path}/lake/"
    far = Deployed(
        functions=ProcessCloud(tmp_path),
        staging=staging,
        role="writer",
        plugin=PluginRef(path="carried.py", name="Writer"),
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


def test_a_writer_that_commits_needs_a_bucket(on_s3):
    config = writer_config("/tmp/lake")
    plugin = PluginRef(path="hostile.py", name="Writer")
    far = Deployed(functions=ProcessCloud(FAKES), staging=on_s3, role="writer", plugin=plugin, config=config)
    with pytest.raises(ConfigurationError, match="give the target a bucket"):
        FunctionWriter(far)


def test_folders_of_hosts_that_are_gone_are_found_and_removed(on_s3):
    old = datetime.now(timezone.utc) - timedelta(days=1)
    living = on_s3.folder({"tenant": "t", "job": "j"})
    dead = on_s3.folder({"tenant": "t", "job": "j"})
    name, boot, _, _ = host_label().split("/")
    dead.put("owner.json", json.dumps({"tenant": "t", "job": "j", "host": f"{name}/{boot}/1/0"}).encode())
    dead.put("000001.arrow", b"rows")
    (found,) = on_s3.leftovers(old)
    assert (found.name, found.owner) == (dead.url, "t/j")
    on_s3.remove(found)
    assert on_s3.leftovers(old) == []
    assert staged(on_s3) == [f"{living.url}owner.json"]
    assert is_gone("another/boot/1/2") is None
