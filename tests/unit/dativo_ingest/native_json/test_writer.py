"""A writer of the older JSON ABI: it gets rows as that ABI has them, and its word about files is checked."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
import threading
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_ingest import native
from dativo_ingest.exceptions import ConfigurationError, PluginError
from dativo_ingest.native.errors import Call
from dativo_ingest.native_json.records import records
from dativo_ingest.native_json.writer import writer_words
from dativo_ingest.protocols import WriterPlugin
from tests.clibrary import c_library
from tests.native import native_library

BATCHES = [pa.record_batch({"id": pa.array([1, 2])}), pa.record_batch({"id": pa.array([3])})]


def _config(fault="none", **more):
    target = {"engine": {"options": {"fault": fault, "after": 0}}}
    return {"target": target, "asset": {"name": "people", "schema": [{"name": "id", "type": "integer"}]}, **more}


def _legacy(fault="none", **more):
    return native.load_library(native_library("legacy_json")).writer("create_writer", _config(fault, **more))


def test_the_configuration_has_the_keys_of_the_abi():
    config = _config(output_base="/out/", file_size_bytes=7)
    assert writer_words(config) == {
        "asset_name": "people",
        "schema": [{"name": "id", "type": "integer"}],
        "output_base": "/out/",
        "target_type": "custom",
        "connection": {},
        "file_format": None,
        "engine": {"options": {"fault": "none", "after": 0}},
    }
    assert writer_words({"target": {"engine": {"type": "rust"}}})["engine"] == {"type": "rust", "options": {}}


@pytest.mark.rust
def test_each_call_writes_into_a_folder_of_its_own(tmp_path):
    with _legacy(output_base="/nowhere") as writer:
        assert isinstance(writer, WriterPlugin)
        assert not writer.commits
        assert writer.check().passed
        first = writer.write(iter(BATCHES), f"{tmp_path}/", "a")
        second = writer.write(BATCHES[:1], f"file://{tmp_path}/", "b")
        assert writer.commit("token", first) == {"status": "success", "files_added": 2}
    assert [(Path(f.path).relative_to(tmp_path).as_posix(), f.rows) for f in first + second] == [
        ("a/part-00000.jsonl", 2),
        ("a/part-00001.jsonl", 1),
        ("b/part-00000.jsonl", 2),
    ]
    assert all(f.bytes == Path(f.path).stat().st_size for f in first + second)
    assert Path(first[0].path).read_text() == '{"id":1}\n{"id":2}\n'


@pytest.mark.rust
def test_a_writer_that_commits_writes_where_the_job_says_under_one_counter(tmp_path):
    with _legacy(output_base=str(tmp_path), commits=True) as writer:
        threads = [threading.Thread(target=writer.write, args=(BATCHES, "/nowhere/", f"{n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"part-{n:05}.jsonl" for n in range(8)]


@pytest.mark.rust
def test_abort_removes_the_files_and_does_not_mind_those_that_are_gone(tmp_path):
    with _legacy() as writer:
        files = writer.write(BATCHES, f"{tmp_path}/", "a")
        Path(files[0].path).unlink()
        writer.abort(files)
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.rust
def test_nothing_to_write_makes_no_writer(tmp_path):
    with _legacy("create") as writer:
        assert writer.write([], f"{tmp_path}/", "a") == []
        assert writer.write([BATCHES[0].slice(0, 0)], f"{tmp_path}/", "a") == []


FAULTS = {
    "create": ("PLUGIN_REFUSED", "create_writer answered NULL"),
    "error": ("PLUGIN_WRITE_FAILED", "NULL for 2 rows"),
    "invalid_json": ("PLUGIN_BAD_ANSWER", "no JSON"),
    "truncated_utf8": ("PLUGIN_BAD_ANSWER", "no JSON"),
    "lies": ("ROWS_LOST", "given 2 rows and says that it wrote 3"),
    "missing_file": ("PLUGIN_BAD_ANSWER", "there is no such file"),
}


@pytest.mark.rust
@pytest.mark.parametrize("fault", FAULTS)
def test_a_writer_that_fails_fails_the_unit_and_leaves_nothing(fault, tmp_path):
    code, words = FAULTS[fault]
    with _legacy(fault) as writer, pytest.raises(PluginError, match=words) as caught:
        writer.write(BATCHES, f"{tmp_path}/", "a")
    assert caught.value.error_code == code
    assert f"{os.path.realpath(native_library('legacy_json'))}: write" in caught.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "code"),
    [("NULL", "PLUGIN_WRITE_FAILED"), ("a number", "PLUGIN_BAD_ANSWER"), ("no count", "PLUGIN_BAD_ANSWER"),
     ("no file", "PLUGIN_BAD_ANSWER"), ("no files", "ROWS_LOST")],
)  # fmt: skip
def test_an_answer_of_another_shape_is_an_error(fault, code, tmp_path):
    library = native.load_library(c_library("old"))
    with library.writer("create_writer", _config(fault)) as writer, pytest.raises(PluginError) as caught:
        writer.write(BATCHES, f"{tmp_path}/", "a")
    assert caught.value.error_code == code


@pytest.mark.rust
def test_a_library_that_takes_an_address_for_a_folder_is_found_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with _legacy() as writer, pytest.raises(PluginError, match="does not know such addresses") as caught:
        writer.write(BATCHES, "s3://bucket/out/", "a")
    assert caught.value.error_code == "PLUGIN_BAD_ANSWER"


def _json(array):
    batch = pa.record_batch({"v": array})
    return [row["v"] for text, _ in records([batch], 10, Call("/lib.so", "write")) for row in json.loads(text)]


SAID = {
    "moments": (pa.array([dt.datetime(2020, 1, 2, 3, 4, 5, 600)]), ["2020-01-02T03:04:05.000600"]),  # noqa: DTZ001
    "instants": (pa.array([0], pa.timestamp("us", "UTC")), ["1970-01-01T00:00:00+00:00"]),
    "nanoseconds": (pa.array([1_000], pa.timestamp("ns")), ["1970-01-01T00:00:00.000001"]),
    "times": (pa.array([1_000], pa.time64("ns")), ["00:00:00.000001"]),
    "days": (pa.array([dt.date(2020, 1, 2), None]), ["2020-01-02T00:00:00", None]),
    "decimals": (pa.array([decimal.Decimal("12345678901234567890.10")]), ["12345678901234567890.10"]),
    "integers": (pa.array([2**63 - 1]), [2**63 - 1]),
    "floats": (pa.array([0.1, 1e300]), [0.1, 1e300]),
    "booleans": (pa.array([True]), [True]),
    "text": (pa.array(['ä"\\\n']), ['ä"\\\n']),
    "uuids": (pa.array([uuid.UUID(int=1).bytes], pa.uuid()), [str(uuid.UUID(int=1))]),
    "lists": (pa.array([[1, None]]), [[1, None]]),
    "structs": (pa.array([{"a": dt.date(2020, 1, 2)}]), [{"a": "2020-01-02T00:00:00"}]),
    "maps": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [{"k": 1}]),
}


@pytest.mark.parametrize("what", SAID)
def test_json_says_every_value_exactly(what):
    array, expected = SAID[what]
    assert _json(array) == expected


UNSAID = {
    "bytes": pa.array([b"x"]),
    "NaN": pa.array([float("nan")]),
    "infinity": pa.array([float("inf")]),
    "a fraction of a microsecond": pa.array([4711], pa.timestamp("ns")),
    "timedelta": pa.array([1], pa.duration("s")),
    "a key twice": pa.array([[("4711", 1), ("4711", 2)]], pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("what", UNSAID)
def test_what_json_cannot_say_is_refused_without_telling_the_value(what):
    with pytest.raises(ConfigurationError, match=what) as caught:
        _json(UNSAID[what])
    assert "4711" not in caught.value.message
    assert caught.value.error_code == "TYPE_UNSUPPORTED"


def test_rows_are_cut_into_calls():
    batch = pa.record_batch({"v": pa.array(range(25))})
    assert [rows for _, rows in records([batch, batch], 10, Call("/lib.so", "write"))] == [10, 10, 5, 10, 10, 5]
