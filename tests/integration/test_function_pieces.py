"""What lies in a staging folder is held against its checksum: by the function in Python and by the one in Rust."""

from __future__ import annotations

import json
import shutil
import zlib
from contextlib import ExitStack

import pyarrow as pa
import pytest

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.functions import handle
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.worker.batches import batches_in, from_payload, to_parts
from tests.fakes.scripted_function import ipc
from tests.integration.test_lambda_bootstrap import STREAM, Function, batches_of, csv_config, error_of, hostile
from tests.native import native_library, native_program
from tests.servers.runtime_api import sandbox

pytestmark = [pytest.mark.integration, pytest.mark.rust]

WRITER = {"target": {}, "commits": False, "stream": STREAM.to_json(), "base": "/"}
PART = {"base": "s3://elsewhere/lake/", "name": "part-0"}


class InPython:
    """The SDK's own function, which opens libraries too; it answers as a sandbox of the bootstrap does."""

    def __init__(self, package):
        self.package = package

    def invoke(self, request, seconds=60):
        return handle(request, remaining=lambda: seconds, package=self.package)


@pytest.fixture(params=["python", "rust"])
def function(request, s3, s3_prefix, tmp_path, monkeypatch):
    """Give a maker of functions, of each kind."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:

        def made(crate):
            folder, library = tmp_path / crate, native_library(crate)
            folder.mkdir()
            shutil.copy(library, folder)
            if request.param == "python":
                return Function(InPython(folder), s3, s3_prefix, library.name)
            opened = sandbox(native_program("lambda_bootstrap"), folder, f"{library.name}:create_reader", s3.env)
            return Function(stack.enter_context(opened), s3, s3_prefix, library.name)

        yield made


def test_each_piece_has_its_checksum_in_the_reply(function, tmp_path):
    made = function("csv_reader")
    config = csv_config(tmp_path, 200_000)
    unit = made.invoke("split", config, {"stream": STREAM.to_json(), "since": None})["result"]["units"][0]
    words = {"stream": STREAM.to_json(), "unit": unit}
    pieces = made.invoke("read", config, words, inline_bytes=0, piece_bytes=1000, ahead=99)["rows"]["pieces"]
    lying = [made.get(piece["key"]) for piece in pieces]
    assert len(pieces) > 1
    assert [{"bytes": piece["bytes"], "crc32": piece["crc32"]} for piece in pieces] == [
        checksum(data) for data in lying
    ]
    assert sum(batch.num_rows for data in lying for batch in batches_of(data)) == 200_000


def test_a_batch_whose_rows_become_too_much_is_cut_alike(function):
    made = function("hostile")
    rows = 50_000  # of 100,000 bytes each, which lie in one place
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int8()), ["x" * 100_000])
    alike = [from_payload(b"".join(map(bytes, parts))).num_rows for parts in to_parts({"name": texts})]
    words = {"stream": STREAM.to_json(), "unit": {"id": "all", "spec": {}}}
    limits = {"inline_bytes": 0, "piece_bytes": 1, "ahead": 99}
    pieces = made.invoke("read", hostile("none", same_texts=rows), words, **limits)["rows"]["pieces"]
    assert [piece["rows"] for piece in pieces] == alike
    assert len(pieces) > 1
    taken = [batch for piece in pieces for batch in batches_in(made.get(piece["key"]))]
    assert pa.Table.from_batches(taken)["name"].combine_chunks().equals(texts)


def test_an_answer_that_lies_aside_has_its_checksum_in_the_reply(function, tmp_path):
    for number in range(500):
        (tmp_path / f"a-file-with-a-rather-long-name-of-which-there-are-many-{number:04}.csv").write_text("n,s\n1,x\n")
    made = function("csv_reader")
    config = {"source": {"files": [f"{tmp_path}/*.csv"]}, "stream": STREAM.to_json(), "base": str(tmp_path)}
    answer = made.invoke("split", config, {"stream": STREAM.to_json(), "since": None}, inline_bytes=1000)
    assert (answer["result"], answer["aside"]) == (None, checksum(made.get("result.json")))


def test_a_file_that_is_carried_has_its_checksum_in_the_reply(function):
    made = function("parquet_writer")
    send(made, ipc([1, 2]), ipc([3]))
    (file,) = made.invoke("write", WRITER, PART, role="writer")["result"]
    data = made.get(file["path"])
    assert (file["rows"], file["bytes"], file["crc32"]) == (3, len(data), zlib.crc32(data))


def send(made, *pieces):
    for number, piece in enumerate(pieces, 1):
        made.put(f"in/{number:06}.arrow", piece)
    made.put("in/end.json", json.dumps({"pieces": [checksum(piece) for piece in pieces]}).encode())


def change_places(made):
    send(made, ipc([2]), ipc([1]))


def come_from_elsewhere(made):
    made.put("in/000002.arrow", ipc([8]))


def cut_short(made):
    made.put("in/000002.arrow", ipc([2])[:-12])


def no_arrow(made):
    made.put("in/000002.arrow", b"no arrow at all, and not a short one either")


def gone(made):
    made.delete("in/000002.arrow")


@pytest.mark.parametrize("happens", [change_places, come_from_elsewhere, cut_short, no_arrow, gone])
def test_a_piece_that_is_not_the_one_that_was_sent_is_an_error_and_nothing_is_carried(function, happens):
    made = function("parquet_writer")
    send(made, ipc([1]), ipc([2]))
    end = made.get("in/end.json")
    happens(made)
    made.put("in/end.json", end)
    error = error_of(made.invoke("write", WRITER, PART, role="writer"))
    assert isinstance(error, SandboxError)
    assert (error.error_code, error.retryable) == ("FUNCTION_ROWS_LOST", True)
    assert error.details["piece"] == (1 if happens is change_places else 2)
    assert "of the rows (stream 'c', unit 'u1')" in error.message
    assert not any(name.startswith("out/") for name in made.names())


@pytest.mark.parametrize("commits", [True, False])
def test_a_writer_that_counts_other_rows_than_it_took_is_an_error_unless_it_commits_by_itself(function, commits):
    made = function("hostile")
    send(made, ipc([1]), ipc([2]))
    config = {**hostile("wrong_rows"), "commits": commits}
    answer = made.invoke("write", config, {"base": f"file:///tmp/{made.prefix}/", "name": "part-0"}, role="writer")
    if commits:
        assert answer["result"][0]["rows"] == 3
        return
    error = error_of(answer)
    assert (error.error_code, error.details["taken"], error.details["laid"]) == ("ROWS_LOST", 2, 3)


def test_a_large_configuration_is_used_only_as_it_was_put_there(function, tmp_path):
    made = function("csv_reader")
    config = json.dumps(csv_config(tmp_path, 1)).encode()
    made.put("config.json", config)
    said = {"$object": "config.json", "crc32": zlib.crc32(config)}
    assert "error" not in made.invoke("spec", said)
    error = error_of(made.invoke("spec", {**said, "crc32": 7}))
    assert (error.error_code, error.retryable) == ("FUNCTION_ROWS_LOST", True)


def test_a_host_of_another_release_is_told_what_to_do(function):
    made = function("csv_reader")
    error = error_of(made.running.invoke({**made.request("spec", {}), "dativo": 1}))
    assert error.error_code == "PLUGIN_VERSION_INCOMPATIBLE"
    assert "build its image anew" in error.message
