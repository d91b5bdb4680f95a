"""The bootstrap of native plugins in AWS Lambda: a real program, a real Runtime API, a real S3."""

import base64
import contextlib
import io
import json
import logging
import shutil
import signal
import time

import pyarrow as pa
import pytest
from pyarrow import parquet

from dativo_dagster.functions.glibc import AL2023, needs
from dativo_ingest.exceptions import DativoError, TransientError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.model import Column, Stream
from dativo_ingest.native import load_library
from dativo_ingest.worker.errors import error_from_json
from tests.native import native_library, native_program
from tests.servers.runtime_api import sandbox

pytestmark = [pytest.mark.integration, pytest.mark.rust]

STREAM = Stream(name="c", columns=(Column(name="n", type="int64"), Column(name="s", type="string")))
TAGS = {"run": "r1", "stream": "c", "unit": "u1", "attempt": 2}


class Function:
    """A function with one library, and the staging folder of its invocations."""

    def __init__(self, running, server, prefix, library):
        self.running, self.server, self.prefix, self.library = running, server, prefix, library
        self.client = server.client()
        self.put("owner.json", b"{}")

    def put(self, name, data):
        self.client.put_object(Bucket=self.server.bucket, Key=f"{self.prefix}/{name}", Body=data)

    def get(self, name):
        return self.client.get_object(Bucket=self.server.bucket, Key=f"{self.prefix}/{name}")["Body"].read()

    def delete(self, name):
        self.client.delete_object(Bucket=self.server.bucket, Key=f"{self.prefix}/{name}")

    def names(self):
        found = self.client.list_objects_v2(Bucket=self.server.bucket, Prefix=f"{self.prefix}/")
        return {o["Key"].removeprefix(f"{self.prefix}/") for o in found.get("Contents", ())}

    def request(self, verb, config, arguments=None, role="reader", **limits):
        options = {"endpoint": self.server.endpoint, "region": self.server.region}
        return {
            "dativo": 2,
            "id": "1",
            "role": role,
            "verb": verb,
            "plugin": {"path": self.library, "name": f"create_{role}", "kind": "native"},
            "config": config,
            "arguments": arguments or {},
            "staging": {"url": f"s3://{self.server.bucket}/{self.prefix}/", "options": options},
            "limits": {"inline_bytes": 1 << 20, "piece_bytes": 1 << 20, "ahead": 4, **limits},
            "tags": TAGS,
        }

    def invoke(self, verb, config, arguments=None, *, seconds=60, **options):
        return self.running.invoke(self.request(verb, config, arguments, **options), seconds=seconds)


@pytest.fixture
def function(s3, s3_prefix, tmp_path):
    """Give a maker of functions, all of which end with the test."""
    with contextlib.ExitStack() as stack:

        def made(crate, handler=None):
            folder = tmp_path / crate
            folder.mkdir()
            library = native_library(crate)
            shutil.copy(library, folder / library.name)
            handler = handler or f"{library.name}:create_reader"
            running = stack.enter_context(sandbox(native_program("lambda_bootstrap"), folder, handler, s3.env))
            return Function(running, s3, s3_prefix, library.name)

        yield made


def batches_of(data):
    """Read the streams that stand one behind the other."""
    source, found = io.BytesIO(data), []
    while source.tell() < len(data):
        found += list(pa.ipc.open_stream(source))
    return found


def error_of(answer):
    return error_from_json(answer["error"])


def csv_config(tmp_path, rows):
    (tmp_path / "c.csv").write_text("n,s\n" + "".join(f"{n},text {n}\n" for n in range(rows)))
    return {"source": {"files": [str(tmp_path / "c.csv")]}, "stream": STREAM.to_json(), "base": str(tmp_path)}


def local_rows(config):
    with load_library(native_library("csv_reader")).reader("create_reader", config) as reader:
        window = reader.split(STREAM, None)
        return window, [row for unit in window.units for b in reader.read(STREAM, unit) for row in b.to_pylist()]


def hostile(fault, **options):
    words = {"engine": {"options": {"fault": fault, **options}}}
    return {"source": words, "target": words, "stream": {"name": "rows", "columns": []}, "base": "/"}


def test_a_small_read_is_what_it_is_here_and_comes_in_the_answer(function, tmp_path):
    config = csv_config(tmp_path, 10)
    window, rows = local_rows(config)
    made = function("csv_reader")
    assert made.invoke("spec", config)["result"]["roles"]
    assert made.invoke("check", config)["result"]["passed"] is True
    split = made.invoke("split", config, {"stream": STREAM.to_json(), "since": None})["result"]
    assert split["fingerprint"] == window.fingerprint
    words = {"stream": STREAM.to_json(), "unit": split["units"][0], "window": split}
    answer = made.invoke("read", config, words)
    pieces = [base64.b64decode(text) for text in answer["rows"]["inline"]]
    assert [row for piece in pieces for b in batches_of(piece) for row in b.to_pylist()] == rows
    assert answer["reached"] == made.invoke("reached", config, {"window": split})["result"]
    assert answer["started"] is False
    assert answer["peak_mb"] > 0
    assert answer["logs"] == []


def test_a_large_read_comes_in_pieces_that_stay_few_ahead_of_the_host(function, tmp_path):
    config = csv_config(tmp_path, 500_000)
    window, rows = local_rows(config)
    made = function("csv_reader")
    words = {"stream": STREAM.to_json(), "unit": window.units[0].to_json()}
    made.running.ask(made.request("read", config, words, inline_bytes=1000, piece_bytes=1000, ahead=2))
    found, sizes, number = [], [], 1
    while made.running.answers.empty() or f"{number:06}.arrow" in made.names():
        lying = {name for name in made.names() if name.endswith(".arrow")}
        assert len(lying) <= 2
        if (name := f"{number:06}.arrow") in lying:
            data = made.get(name)
            found, sizes, number = found + batches_of(data), [*sizes, len(data)], number + 1
            made.delete(name)
    answer = made.running.answer()
    pieces = answer["rows"]["pieces"]
    assert [row for batch in found for row in batch.to_pylist()] == rows
    assert [piece["bytes"] for piece in pieces] == sizes
    assert sum(piece["rows"] for piece in pieces) == len(rows)
    assert len(pieces) > 2
    assert pieces[-1]["position"] == (tmp_path / "c.csv").stat().st_size


def test_a_writers_files_are_carried_by_the_staging(function, tmp_path):
    made = function("parquet_writer")
    batch = pa.record_batch({"n": pa.array([1, 2, 3])})
    for number in (1, 2):
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        made.put(f"in/{number:06}.arrow", sink.getvalue())
    made.put("in/end.json", json.dumps({"pieces": [checksum(sink.getvalue())] * 2}).encode())
    config = {"target": {}, "commits": False, "stream": STREAM.to_json(), "base": "/"}
    answer = made.invoke("write", config, {"base": "s3://elsewhere/lake/", "name": "part-0"}, role="writer")
    (file,) = answer["result"]
    assert file["rows"] == 6
    assert file["path"].startswith("out/part-0")
    data = made.get(file["path"])
    assert len(data) == file["bytes"]
    assert parquet.read_table(io.BytesIO(data)).column("n").to_pylist() == [1, 2, 3, 1, 2, 3]
    assert not any(name.endswith(".arrow") for name in made.names())


@pytest.mark.parametrize(("fault", "code"), [("panic_read", "PLUGIN_PANIC"), ("wrong_json", "PLUGIN_BAD_ANSWER")])
def test_a_plugin_that_fails_is_an_error_with_its_code_and_the_next_call_works(fault, code, function):
    made = function("hostile")
    words = {"stream": {"name": "rows", "columns": []}, "unit": {"id": "all", "spec": {}}, "since": None}
    error = error_of(made.invoke("check" if fault == "wrong_json" else "read", hostile(fault), words))
    assert error.error_code == code
    assert error.message.startswith("libhostile.so: ")
    assert made.invoke("check", hostile("none"))["result"]["passed"] is True


def test_what_a_source_lacks_is_told_as_the_host_here_tells_it(function, tmp_path):
    config = {"source": {"files": ["/no/such.csv"]}, "stream": STREAM.to_json(), "base": "/"}
    reader = load_library(native_library("csv_reader")).reader("create_reader", config)
    with reader as opened, pytest.raises(DativoError) as here:
        opened.split(STREAM, None)
    there = error_of(function("csv_reader").invoke("split", config, {"stream": STREAM.to_json(), "since": None}))
    assert (type(there), there.error_code, there.retryable) == (
        type(here.value),
        here.value.error_code,
        here.value.retryable,
    )


def test_a_large_result_lies_in_the_staging_folder(function, tmp_path):
    names = [f"a-file-with-a-rather-long-name-{n:04}.csv" for n in range(500)]
    for name in names:
        (tmp_path / name).write_text("n,s\n1,x\n")
    config = {"source": {"files": [f"{tmp_path}/*.csv"]}, "stream": STREAM.to_json(), "base": str(tmp_path)}
    made = function("csv_reader")
    request = made.request("split", config, {"stream": STREAM.to_json(), "since": None}, inline_bytes=1000)
    answer = made.running.invoke(request)
    assert (answer["result"], answer["aside"]) == (None, checksum(made.get("result.json")))
    window, _ = local_rows(config)
    assert json.loads(made.get("result.json")) == window.to_json()


def test_what_a_library_prints_comes_with_the_answer_as_far_as_there_is_room(function):
    words = {"stream": {"name": "rows", "columns": []}, "unit": {"id": "all", "spec": {}}, "since": None}
    answer = function("hostile").invoke("read", hostile("stdout_flood", megabytes=4), words)
    printed = [line for line in answer["logs"] if line["logger"] == "printed"]
    assert printed
    assert all((line["level"], line["tags"]) == (logging.INFO, TAGS) for line in printed)
    assert sum(len(line["message"]) for line in printed) <= 256 * 1024


@pytest.mark.parametrize("fault", ["hang_open", "hang_stream", "hang_release"])
def test_a_library_that_does_not_stop_when_told_to_is_answered_for_and_the_next_sandbox_works(fault, function):
    made = function("hostile")
    words = {"stream": {"name": "rows", "columns": []}, "unit": {"id": "all", "spec": {}}}
    made.running.ask(made.request("read", hostile(fault), words), seconds=4)
    assert error_of(made.running.answer()).error_code == "FUNCTION_TIMEOUT"
    assert made.running.ended() == 0


def test_a_crash_ends_the_sandbox_without_an_answer(function):
    made = function("hostile")
    words = {"stream": {"name": "rows", "columns": []}, "unit": {"id": "all", "spec": {}}}
    made.running.ask(made.request("read", hostile("segfault"), words))
    assert made.running.ended() == -signal.SIGSEGV
    assert made.running.answers.empty()


@pytest.mark.parametrize(
    ("crate", "handler", "code", "help_"),
    [
        ("csv_reader", "libgone.so:create_reader", "PLUGIN_NOT_FOUND", "no such library"),
        ("legacy_json", None, "PLUGIN_LOAD_FAILED", "runtime: python3.12"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_told_to_whoever_calls(crate, handler, code, help_, function):
    error = error_of(function(crate, handler).invoke("check", {}))
    assert error.error_code == code
    assert help_ in error.message


@pytest.mark.parametrize("how", ["cancel", "owner", "deadline", "idle"])
def test_a_read_without_end_ends_when_the_host_says_so_or_is_gone_or_time_is_over(how, function):
    made = function("hostile")
    words = {"stream": {"name": "rows", "columns": []}, "unit": {"id": "all", "spec": {}}}
    request = made.request("read", hostile("endless"), words, inline_bytes=1000, piece_bytes=1000, ahead=2)
    if how == "idle":
        request["limits"]["idle_seconds"] = 1
    made.running.ask(request, seconds=8 if how == "deadline" else 60)
    while "000001.arrow" not in made.names():
        time.sleep(0.05)
    if how == "cancel":
        made.put("cancel", b"")
    elif how == "owner":
        made.delete("owner.json")
    error = error_of(made.running.answer())
    codes = {"deadline": "FUNCTION_TIMEOUT", "idle": "FUNCTION_IDLE"}
    assert error.error_code == codes.get(how, "CANCELLED")
    assert isinstance(error, TransientError) is (how in {"deadline", "idle"})
    assert error.retryable is (how == "idle")
    assert not any(name.endswith(".arrow") for name in made.names())


def test_a_request_of_another_version_is_answered_and_one_that_is_none_is_an_error_of_the_invocation(function):
    made = function("csv_reader")
    assert error_of(made.running.invoke({"dativo": 1})).error_code == "PLUGIN_VERSION_INCOMPATIBLE"
    made.running.ask(b"nonsense")
    kind, answer = made.running.answers.get(timeout=60)
    assert (kind, answer["errorType"]) == ("error", "PLUGIN_ERROR")


def test_the_bootstrap_runs_on_amazon_linux_2023():
    assert needs(native_program("lambda_bootstrap")).glibc <= AL2023
