"""Files of a writer in a function come home as they were told, and nowhere else; its rows go out piece by piece."""

from __future__ import annotations

import json
import threading
import time

import pyarrow as pa
import pytest

from dativo_dagster.functions.call import Settings
from dativo_dagster.functions.staging import Folder
from dativo_dagster.functions.writing import FunctionWriter
from dativo_ingest.exceptions import DativoError, PluginError, RateLimitError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.pieces import piece_name
from dativo_ingest.model import DataFile
from dativo_ingest.worker.batches import batches_in
from dativo_ingest.worker.errors import error_to_json
from tests.fakes.scripted_function import deployed, staged
from tests.waiting import until


def batches(count):
    return [pa.record_batch({"n": [number]}) for number in range(count)]


def writer(tmp_path, write, *, commits=False, **changed):
    def script(request, folder):
        return {"result": {"commits": commits}} if request["verb"] == "spec" else write(request, folder)

    config = {"target": {"connection": {"api": "sk-canary-55102"}}, "commits": commits, "output_base": "s3://b/t"}
    return FunctionWriter(deployed(tmp_path, script, "writer", Settings(piece_bytes=1, **changed), **config))


def write(tmp_path, script, count=0, **changed):
    base = f"file://{tmp_path}/lake/"
    return writer(tmp_path, script, **changed).write(batches(count), base, "part-1")


def taken(folder, most=10):
    """Take rows as a function does; gives them, and how many pieces lay there at most."""
    rows, number, waiting = [], 1, 0
    while True:
        waiting = max(waiting, len(list(folder.glob("in/*.arrow"))))
        end, piece = folder / "in" / "end.json", folder / "in" / piece_name(number)
        if piece.exists():
            rows += [row for batch in batches_in(piece.read_bytes()) for row in batch.column(0).to_pylist()]
            piece.unlink()
            number += 1
        elif end.exists() and len(json.loads(end.read_text())["pieces"]) < number:
            return rows, waiting
        else:
            time.sleep(0.01)


def test_rows_go_out_as_they_are_taken_and_files_come_home(tmp_path):
    seen = {}

    def script(request, folder):
        seen["rows"], seen["waiting"] = taken(folder)
        (folder / "out" / "day=1").mkdir(parents=True)
        (folder / "out" / "day=1" / "part-1.parquet").write_bytes(b"rows")
        return {"result": [{"path": "out/day=1/part-1.parquet", "rows": 9, **checksum(b"rows")}]}

    (file,) = write(tmp_path, script, 9, ahead=2)
    assert file == DataFile(path=f"file://{tmp_path}/lake/day=1/part-1.parquet", rows=9, bytes=4)
    assert (tmp_path / "lake" / "day=1" / "part-1.parquet").read_bytes() == b"rows"
    assert seen["rows"] == list(range(9))
    assert seen["waiting"] <= 3
    assert staged(tmp_path) == []


@pytest.mark.parametrize(
    "path",
    [
        "../victim",
        "out/../../../victim",
        "out/../part-1",
        "/etc/passwd",
        "out//etc/part-1",
        "out/./part-1",
        "s3://other/part-1",
        "file:///etc/part-1",
        "out/part-2.parquet",
        "out/part-1/../part-2",
        "out/part-1\n",
        "out\\part-1",
        "part-1",
        "out/",
        "",
    ],
)
def test_a_function_cannot_choose_what_is_read_or_replaced(tmp_path, path):
    (tmp_path / "staging").mkdir()
    victim = tmp_path / "staging" / "victim"
    victim.write_bytes(b"of another tenant")
    with pytest.raises(DativoError) as caught:
        write(tmp_path, lambda *_: {"result": [{"path": path, "rows": 1, "bytes": 17}]})
    assert caught.value.error_code == "PLUGIN_BAD_RESULT"
    assert not (tmp_path / "lake").exists()
    assert victim.read_bytes() == b"of another tenant"


@pytest.mark.parametrize("arrived", [b"row", b"rowz", b"rows and more", b""])
def test_a_file_that_is_not_the_one_that_was_told_leaves_nothing(tmp_path, arrived):
    def script(_, folder):
        (folder / "out").mkdir()
        (folder / "out" / "part-1a").write_bytes(b"rows")
        (folder / "out" / "part-1b").write_bytes(arrived)
        return {"result": [{"path": f"out/part-1{which}", "rows": 1, **checksum(b"rows")} for which in "ab"]}

    with pytest.raises(DativoError) as caught:
        write(tmp_path, script)
    assert (caught.value.error_code, caught.value.retryable) == ("FUNCTION_ROWS_LOST", True)
    assert "part-1b" in caught.value.message
    assert not list((tmp_path / "lake").rglob("part*"))
    assert staged(tmp_path) == []


@pytest.mark.parametrize(("count", "take"), [(1, 0), (2, 1), (9, 3)])
@pytest.mark.parametrize("commits", [True, False])
def test_a_writer_that_ends_before_it_took_all_rows_is_an_error(tmp_path, count, take, commits):
    aborted = []

    def script(request, folder):
        if request["verb"] == "abort":
            aborted.extend(file["path"] for file in request["arguments"]["files"])
            return {"result": None}
        for number in range(1, take + 1):
            while not (folder / "in" / piece_name(number)).exists():
                time.sleep(0.002)
            (folder / "in" / piece_name(number)).unlink()
        return {"result": [{"path": "s3://b/t/one", "rows": take, "bytes": 4}] if commits else []}

    with pytest.raises(DativoError) as caught:
        write(tmp_path, script, count, commits=commits)
    assert (caught.value.error_code, caught.value.retryable) == ("PLUGIN_LOST_ROWS", False)
    assert aborted == (["s3://b/t/one"] if commits else [])
    assert staged(tmp_path) == []


def test_a_writer_that_ends_before_it_knows_that_there_are_no_more_rows_is_an_error(tmp_path, monkeypatch):
    put, others = Folder.put, set(threading.enumerate())

    def put_and_see_it_taken(folder, name, data):
        put(folder, name, data)
        if name == "in/000001.arrow":
            until(lambda: not {t for t in threading.enumerate() if t.name == "dativo-invoke-write"} - others, 30)

    def script(_, folder):
        until((folder / "in" / piece_name(1)).exists, 30)
        (folder / "in" / piece_name(1)).unlink()
        return {"result": []}

    monkeypatch.setattr(Folder, "put", put_and_see_it_taken)
    with pytest.raises(PluginError, match="had not taken all of its rows"):
        write(tmp_path, script, 2)


def test_an_error_ends_the_sending_of_rows(tmp_path):
    def script(*_):
        return {"error": error_to_json(RateLimitError("slow down", retry_after=3), "shop.py")}

    def endless():
        while True:
            yield from batches(1)

    with pytest.raises(RateLimitError):
        writer(tmp_path, script).write(endless(), f"file://{tmp_path}/lake/", "part-1")
    assert staged(tmp_path) == []


def test_what_opens_the_target_stays_here_unless_the_plugin_commits(tmp_path):
    asked = []

    def script(request, folder):
        asked.append(request)
        return {"result": {"commits": False}}

    FunctionWriter(
        deployed(tmp_path, script, "writer", target={"connection": {"key": "sk-1"}}, object_store={"s3": {"key": "k"}})
    )
    assert asked[0]["config"]["target"] == {}
    assert asked[0]["config"]["object_store"] == {}


def test_a_writer_that_commits_does_all_of_it_there(tmp_path):
    asked, file = [], {"path": "s3://b/t/x", "rows": 1, "bytes": 1}

    def script(request, folder):
        asked.append((request["verb"], request["arguments"]))
        return {"result": {"version": 7} if request["verb"] == "commit" else [file]}

    far = writer(tmp_path, script, commits=True)
    files = far.write([], "s3://b/t/", "part-1")
    assert [file.path for file in files] == ["s3://b/t/x"]
    assert far.commit("token", files) == {"version": 7}
    far.abort(files)
    assert [verb for verb, _ in asked] == ["write", "commit", "abort"]
    assert asked[1][1]["token"] == "token"
