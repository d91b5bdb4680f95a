"""Rows of a function arrive whole and once, or the read is an error: whatever the function says or does."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
import threading
import time
import tracemalloc
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dativo_dagster.functions.call import Settings
from dativo_dagster.functions.claims import leftovers
from dativo_dagster.functions.reading import FunctionReader
from dativo_ingest.exceptions import DativoError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.pieces import piece_name
from dativo_ingest.model import Cursor, Stream, Unit, Window
from dativo_ingest.worker.batches import batches_in
from tests.fakes.scripted_function import deployed, ipc, lay, staged

STREAM, UNIT = Stream(name="orders"), Unit(id="1")
PIECES = st.lists(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=3), min_size=1, max_size=5)


def numbers(batches) -> list[int]:
    return [number for batch in batches for number in batch.column(0).to_pylist()]


def read(tmp_path, script, **changed) -> list[int]:
    return numbers(FunctionReader(deployed(tmp_path, script, settings=Settings(**changed))).read(STREAM, UNIT))


def manifest(folder, pieces):
    said = [
        {**lay(folder, number, ipc(*piece)), "rows": sum(map(len, piece))} for number, piece in enumerate(pieces, 1)
    ]
    return {"result": None, "rows": {"pieces": said}, "reached": None}


def refused(tmp_path, script, **changed) -> DativoError:
    with pytest.raises(DativoError) as caught:
        read(tmp_path, script, **changed)
    assert staged(tmp_path) == []
    return caught.value


@given(pieces=PIECES)
@settings(max_examples=15, deadline=None)
def test_pieces_come_in_order_and_once(pieces):
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), lambda _, folder: manifest(folder, pieces))
        assert found == [number for piece in pieces for batch in piece for number in batch]
        assert staged(Path(folder)) == []


def lose(folder, said, at):
    (folder / said[at]["key"]).unlink(missing_ok=True)
    (folder / piece_name(99)).touch()


def cut_short(folder, said, at):
    path = folder / said[at]["key"]
    path.write_bytes(path.read_bytes()[:-17])


def untold(folder, said, at):
    del said[at]


def told_twice(folder, said, at):
    said.insert(at, said[at])


def more_rows(folder, said, at):
    said[at] = {**said[at], "rows": said[at]["rows"] + 1}


def fewer_bytes(folder, said, at):
    said[at] = {**said[at], "bytes": said[at]["bytes"] - 8}


def another(folder, said, at):
    lay(folder, at + 1, ipc([1, 2, 3, 4, 5, 6, 7]))


@given(
    pieces=PIECES,
    at=st.integers(0, 4),
    lie=st.sampled_from([lose, cut_short, untold, told_twice, more_rows, fewer_bytes, another]),
)
@settings(max_examples=40, deadline=None)
def test_a_piece_that_is_lost_doubled_or_counted_wrongly_is_an_error(pieces, at, lie):
    def script(_, folder):
        made = folder / "made"
        made.mkdir()
        reply = manifest(made, pieces)
        lie(made, reply["rows"]["pieces"], min(at, len(pieces) - 1))
        for path in sorted(made.glob("*.arrow"), reverse=True):
            path.rename(folder / path.name)
        return reply

    with tempfile.TemporaryDirectory() as folder:
        assert refused(Path(folder), script).error_code == "FUNCTION_ROWS_LOST"


def change_places(folder):
    one, other, beside = folder / piece_name(1), folder / piece_name(2), folder / "beside"
    one.rename(beside)
    other.rename(one)
    beside.rename(other)


def flip_a_bit(folder):
    path = folder / piece_name(2)
    data = bytearray(path.read_bytes())
    data[data.index((2).to_bytes(8, "little"))] ^= 1
    path.write_bytes(data)


def come_from_elsewhere(folder):
    (folder / piece_name(2)).write_bytes(ipc([7]))


@pytest.mark.parametrize("happens", [change_places, flip_a_bit, come_from_elsewhere])
@pytest.mark.parametrize("live", [True, False], ids=["read before the reply", "read after it"])
def test_pieces_of_equal_rows_and_bytes_that_were_mixed_up_or_damaged_are_an_error(tmp_path, live, happens):
    def script(_, folder):
        made = folder / "made"
        made.mkdir()
        reply = manifest(made, [[[1]], [[2]], [[3]]])
        happens(made)
        for path in sorted(made.glob("*.arrow"), reverse=not live):
            path.rename(folder / path.name)
        while live and list(folder.glob("*.arrow")):
            time.sleep(0.002)  # until the host has taken all
        return reply

    error = refused(tmp_path, script)
    assert (error.error_code, error.retryable) == ("FUNCTION_ROWS_LOST", True)
    assert error.details["piece"] == (1 if happens is change_places else 2)
    assert "stream 'orders', unit '1'" in error.message


@given(data=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_arrow_are_told_as_such(data):
    with contextlib.suppress(ValueError):
        assert sum(batch.num_rows for batch in batches_in(data)) == 0


def ipc_of(column) -> bytes:
    """Give a column as a piece."""
    batch, sink = pa.RecordBatch.from_arrays([column], ["n"]), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def arrow_that_lies() -> bytes:
    """Text whose offsets point outside of its data: using it would read memory of the host's."""
    offsets = pa.py_buffer(b"".join(at.to_bytes(4, "little") for at in (0, 1 << 30, 2)))
    return ipc_of(pa.Array.from_buffers(pa.utf8(), 2, [None, offsets, pa.py_buffer(b"ab")]))


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"no arrow at all", ipc([1])[:-60], arrow_that_lies()])
def test_a_piece_that_is_no_arrow_is_an_error(tmp_path, data):
    def script(_, folder):
        return {"rows": {"pieces": [{**lay(folder, 1, data), "rows": 1}]}, "reached": None}

    assert refused(tmp_path, script).error_code == "FUNCTION_ROWS_LOST"


def packed(batch, claimed=None) -> bytes:
    """Compress a batch; ``claimed`` is what its first buffer says that it becomes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    data, size = sink.getvalue().to_pybytes(), (8 * batch.num_rows).to_bytes(8, "little")
    assert size in data
    return data.replace(size, claimed.to_bytes(8, "little")) if claimed else data


ZEROS = pa.record_batch({"n": pa.array([0] * 1_000_000)})
BOMBS = {
    "zeros that are packed": packed(ZEROS),
    "a claim of terabytes": packed(ZEROS, 2**42),
    "behind an honest batch": ipc([1]) + packed(ZEROS),
    "a run without end": ipc_of(pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1], pa.int64()), pa.array([7]))),
    "nulls without end": ipc_of(pa.Array.from_buffers(pa.null(), 2**31 - 1, [None])),
    "one text, a million times": ipc_of(pa.array(["x" * 65536]).dictionary_encode().take(pa.array([0] * 10**6))),
}


def test_what_a_function_left_and_did_not_tell_is_found_as_what_nobody_uses(tmp_path):
    def script(_, folder):
        lay(folder, 9, ipc([1]))
        return {"rows": {"inline": []}, "reached": None}

    far = deployed(tmp_path, script)
    assert list(FunctionReader(far).read(STREAM, UNIT)) == []
    (left,) = leftovers(far.staging, datetime.now(timezone.utc) + timedelta(seconds=5))
    far.staging.remove(left)
    assert staged(tmp_path) == []


@pytest.mark.parametrize("inline", [True, False], ids=["with the reply", "as a piece"])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_rows_that_would_take_more_memory_than_was_sent_are_refused(tmp_path, bomb, inline):
    def script(_, folder):
        sent = (
            {"inline": [base64.b64encode(bomb).decode()]}
            if inline
            else {"pieces": [{**lay(folder, 1, bomb), "rows": 1}]}
        )
        return {"rows": sent, "reached": None}

    before = pa.default_memory_pool().max_memory()
    error = refused(tmp_path, script)
    assert (error.error_code, error.retryable) == ("PLUGIN_BAD_DATA", False)
    assert error.details["unit"] == "1"
    assert pa.default_memory_pool().max_memory() <= max(before, 64 * 1024 * 1024)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"Service Unavailable", "FUNCTION_CRASHED"),
        (b"", "FUNCTION_CRASHED"),
        (b"[" * 100_000, "FUNCTION_CRASHED"),
        (b"[1]", "FUNCTION_CRASHED"),
        (b"[" + b"[]," * 2_000_000 + b"0]", "FUNCTION_CRASHED"),
        (b"null", "FUNCTION_CRASHED"),
        ({"dativo": 1}, "PLUGIN_VERSION_INCOMPATIBLE"),
        ({"dativo": None}, "FUNCTION_CRASHED"),
        ({"logs": [{"level": float("nan"), "logger": "", "message": ""}]}, "FUNCTION_CRASHED"),
        ({"logs": [7]}, "FUNCTION_CRASHED"),
        ({"logs": None}, "FUNCTION_CRASHED"),
        ({}, "PLUGIN_BAD_RESULT"),
        ({"rows": None}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"inline": ["no base64"]}}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"inline": [base64.b64encode(b"no arrow").decode()]}}, "FUNCTION_ROWS_LOST"),
        ({"rows": {"pieces": [{"rows": float("inf"), "bytes": 1, "position": 1}]}}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"pieces": [{"rows": float("nan"), "bytes": 1, "position": 1}]}}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"pieces": "many"}}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"inline": []}, "reached": 7}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"inline": []}, "rest": "all"}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"inline": []}, "rest": {"id": "1"}}, "PLUGIN_BAD_RESULT"),
        ({"error": "it broke"}, "PLUGIN_BAD_RESULT"),
        ({"error": {"class": "SystemExit", "state": {}}}, "PLUGIN_BAD_RESULT"),
        ({"rows": {"pieces": [{"rows": 1, "bytes": 1, "position": 1}]}}, "PLUGIN_BAD_RESULT"),
        ({"aside": "../../secrets.json"}, "FUNCTION_ROWS_LOST"),
    ],
)
def test_a_reply_that_is_none_is_an_error(tmp_path, reply, code):
    assert refused(tmp_path, lambda *_: reply).error_code == code


@pytest.mark.parametrize("key", ["../../other/000001.arrow", "/etc/passwd", "s3://other-tenant/000001.arrow"])
def test_a_function_cannot_choose_what_the_host_reads_or_deletes(tmp_path, key):
    others = tmp_path / "staging" / "other"
    others.mkdir(parents=True)
    (others / "000001.arrow").write_bytes(ipc([1]))

    def script(*_):
        return {"rows": {"pieces": [{"key": key, "rows": 1, "position": 1, **checksum(ipc([1]))}]}}

    with pytest.raises(DativoError) as caught:
        read(tmp_path, script)
    assert caught.value.error_code == "FUNCTION_ROWS_LOST"
    assert staged(tmp_path) == [others / "000001.arrow"]


def test_an_object_that_is_too_large_for_this_host_is_not_read(tmp_path):
    def script(_, folder):
        with (folder / "sparse").open("wb") as sparse:
            sparse.truncate(600 * 1024 * 1024)
        (folder / "sparse").rename(folder / piece_name(1))  # as in a bucket: there as a whole or not at all
        return {"rows": {"pieces": [{"rows": 1, "bytes": 1, "crc32": 1, "position": 1}]}, "reached": None}

    assert refused(tmp_path, script).error_code == "PLUGIN_BAD_RESULT"


def test_an_answer_of_another_shape_is_an_error_of_the_plugin(tmp_path):
    reader = FunctionReader(deployed(tmp_path, lambda *_: {"result": [7]}))
    for ask in (reader.check, reader.discover, lambda: reader.split(STREAM, None)):
        with pytest.raises(DativoError) as caught:
            ask()
        assert caught.value.error_code == "PLUGIN_BAD_RESULT"
        assert caught.value.details["place"] == "test_cloud"


def test_a_unit_goes_on_in_the_next_invocation_until_nothing_is_left(tmp_path):
    def script(request, folder):
        asked = request["arguments"]["unit"]
        at = asked["spec"].get("from", 0)
        left = {"id": asked["id"], "spec": {"from": at + 1}} if at < 2 else None
        return {**manifest(folder, [[[at]]]), "reached": {"value": {"at": at}}, "rest": left}

    far = deployed(tmp_path, script)
    reader = FunctionReader(far)
    assert numbers(reader.read(STREAM, UNIT)) == [0, 1, 2]
    assert [usage.unit for usage in far.usage] == ["1", "1", "1"]
    assert reader.reached(Window(units=(UNIT,), fingerprint="")) == Cursor(value={"at": 2})
    assert reader.position(UNIT) == 1


@pytest.mark.parametrize("left", [{"id": "1", "spec": {}}, {"id": "2", "spec": {"from": 1}}])
def test_a_unit_that_was_read_is_not_read_as_what_is_left(tmp_path, left):
    """The first gives itself; the other one goes round in a circle."""

    def script(*_):
        return {"rows": {"inline": [one]}, "reached": None, "rest": left}

    one = base64.b64encode(ipc([1])).decode()
    error = refused(tmp_path, script)
    assert error.error_code == "PLUGIN_BAD_RESULT"
    assert "says that what it read is left" in error.message


def test_a_read_that_gives_no_rows_and_says_that_some_are_left_does_not_go_on(tmp_path):
    empty = base64.b64encode(ipc([])).decode()
    asked = iter(range(9))

    def script(*_):
        return {"rows": {"inline": [empty]}, "reached": None, "rest": {"id": "1", "spec": {"from": next(asked)}}}

    assert refused(tmp_path, script).error_code == "PLUGIN_BAD_RESULT"
    assert next(asked) == 1


def cursors(tmp_path, *, repeatable=False, said=("1", "2"), after=None, before=None, read=("1", "2")):
    """Read units of a plugin that says a cursor after each; gives that of the window, and what was asked for it."""

    def script(request, folder):
        if request["verb"] == "reached":
            return {"result": {"value": {"at": "whole"}}, "repeatable": repeatable}
        cursor = dict(zip("12", said, strict=True))[request["arguments"]["unit"]["id"]]
        return {**manifest(folder, []), "reached": cursor and {"value": {"at": cursor}}, "repeatable": repeatable}

    far = deployed(tmp_path, script)
    reader, window = (
        FunctionReader(far),
        Window(units=(Unit(id="1"), Unit(id="2")), fingerprint="", after=after, before=before),
    )
    for name in read:
        assert numbers(reader.read(STREAM, Unit(id=name))) == []
    found = reader.reached(window)
    return found and found.value["at"], [json.loads(request)["verb"] for request in far.functions.requests[len(read) :]]


FROZEN = Cursor(value={"at": "frozen"})


def test_a_cursor_is_what_the_units_agree_on_or_what_the_window_says(tmp_path):
    assert cursors(tmp_path, said=("1", "1")) == ("1", [])
    assert cursors(tmp_path, said=(None, None), after=FROZEN) == ("frozen", [])
    assert cursors(tmp_path, said=(None, None)) == (None, [])


def test_where_units_do_not_tell_the_cursor_an_instance_that_knows_the_window_does(tmp_path):
    assert cursors(tmp_path, repeatable=True) == ("whole", ["reached"])
    assert cursors(tmp_path, repeatable=True, read=("2",)) == ("whole", ["reached"]), "another attempt read the other"
    assert cursors(tmp_path, said=(None, None), before=FROZEN) == ("whole", ["reached"]), "it may keep what it was told"


def test_a_cursor_that_nobody_can_know_is_an_error_instead_of_that_of_the_unit_that_ended_last(tmp_path):
    with pytest.raises(DativoError, match="freeze the cursor in `split`") as caught:
        cursors(tmp_path)
    assert caught.value.error_code == "PLACE_UNSUPPORTED"


def test_units_that_are_read_at_once_have_an_invocation_each(tmp_path):
    both = threading.Barrier(2, timeout=10)

    def script(request, folder):
        both.wait()  # passes only when two invocations run
        return manifest(folder, [[[int(request["arguments"]["unit"]["id"])]]])

    reader = FunctionReader(deployed(tmp_path, script))
    found: dict[str, list[int]] = {}

    def unit(name):
        found[name] = numbers(reader.read(STREAM, Unit(id=name)))

    threads = [threading.Thread(target=unit, args=(name,)) for name in ("1", "2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"1": [1], "2": [2]}


def test_the_host_has_one_piece_in_memory_whatever_the_source_has(tmp_path):
    count, data = 20, ipc(list(range(125_000)))

    def script(request, folder):
        said = []
        for number in range(1, count + 1):
            while (folder / piece_name(number - request["limits"]["ahead"])).exists():
                time.sleep(0.002)
            said.append({**lay(folder, number, data), "rows": 125_000})
        return {"rows": {"pieces": said}, "reached": None}

    reader = FunctionReader(deployed(tmp_path, script))
    tracemalloc.start()
    try:
        rows = sum(batch.num_rows for batch in reader.read(STREAM, UNIT))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == count * 125_000
    assert most < 4 * len(data), "the piece, the one before it that is still in use, and what reading takes"


@pytest.mark.parametrize(("said", "promised"), [(True, True), (False, False), ("yes", False), (None, False)])
def test_a_promise_of_the_plugin_is_asked_for_once(tmp_path, said, promised):
    cloud_says = {"result": {"commits": False}, **({} if said is None else {"repeatable": said})}
    far = deployed(tmp_path, lambda *_: cloud_says)
    reader = FunctionReader(far)
    assert (reader.repeatable, reader.repeatable) == (promised, promised)
    assert [json.loads(request)["verb"] for request in far.functions.requests] == ["spec"]
