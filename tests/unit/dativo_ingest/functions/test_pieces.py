"""Rows go into pieces, no more of them wait than the host takes, and a piece that is missing is an error."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_ingest.exceptions import SandboxError, TransientError
from dativo_ingest.functions import pieces
from dativo_ingest.functions.checksums import checksum, checksum_of_file
from dativo_ingest.functions.pieces import Outgoing, incoming, piece_name
from tests.fakes.scripted_function import ipc


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """No batch is too old to share its piece unless a test says so, however slow the machine."""
    monkeypatch.setattr(pieces, "FLUSH_SECONDS", 600)


class Shelf:
    """A staging folder in memory, from which somebody reads while `pause` waits."""

    def __init__(self, objects=()):
        self.objects, self.pauses, self.most, self.late = dict(objects), 0, 0, False
        self.taken = []

    def put(self, name, data):
        self.objects[name] = data
        self.most = max(self.most, len(self.objects))

    def get(self, name):
        return self.objects.get(name)

    def has(self, name):
        return name in self.objects

    def delete(self, names):
        for name in names:
            self.objects.pop(name, None)

    def pause(self, seconds):
        self.pauses += 1
        assert self.pauses < 100
        self.taken.append(self.objects.pop(min(self.objects)))

    def check(self):
        pass


def outgoing(shelf, **limits):
    return Outgoing(shelf, shelf, {"inline_bytes": 0, "piece_bytes": 10, "ahead": 2, **limits})


def test_batches_share_a_piece_until_it_is_large_enough():
    shelf = Shelf()
    out = outgoing(shelf, ahead=9)
    for position in range(1, 6):
        out.add(b"12345", 1, position)
    said = out.finish()
    assert said["pieces"] == [
        {"key": piece_name(1), "rows": 2, "position": 2, **checksum(b"1234512345")},
        {"key": piece_name(2), "rows": 2, "position": 4, **checksum(b"1234512345")},
        {"key": piece_name(3), "rows": 1, "position": 5, **checksum(b"12345")},
    ]
    out.remove()
    assert shelf.objects == {}


@given(
    batches=st.lists(st.binary(min_size=1, max_size=30), max_size=12),
    piece_bytes=st.integers(1, 60),
    inline_bytes=st.sampled_from([0, 40, 1000]),
    ahead=st.integers(1, 3),
)
def test_every_batch_arrives_once_and_in_order_and_no_more_wait_than_may(batches, piece_bytes, inline_bytes, ahead):
    shelf = Shelf()
    out = outgoing(shelf, piece_bytes=piece_bytes, inline_bytes=inline_bytes, ahead=ahead)
    for position, batch in enumerate(batches, 1):
        out.add(batch, len(batch), position)
    said = out.finish()
    arrived = [base64.b64decode(part) for part in said.get("inline", ())]
    went = shelf.taken + [shelf.objects[name] for name in sorted(shelf.objects)]
    assert b"".join(arrived + went) == b"".join(batches)
    assert [piece["bytes"] for piece in said.get("pieces", ())] == [len(piece) for piece in went]
    assert sum(piece["rows"] for piece in said.get("pieces", ())) in {0, sum(map(len, batches))}
    assert shelf.most <= ahead


def test_few_rows_go_with_the_reply():
    shelf = Shelf()
    out = outgoing(shelf, inline_bytes=100, piece_bytes=100)
    out.add(b"rows", 1, 1)
    assert out.finish() == {"inline": ["cm93cw=="]}
    assert shelf.objects == {}


def test_it_waits_while_nobody_reads():
    shelf = Shelf()
    out = outgoing(shelf)
    for position in range(6):
        out.add(b"x" * 10, 1, position)
    assert shelf.most == 2
    assert shelf.pauses == 4


def sent(*pieces):
    """Give a staging folder with what a host sent."""
    lying = {f"in/{piece_name(number)}": piece for number, piece in enumerate(pieces, 1)}
    return Shelf({**lying, "in/end.json": json.dumps({"pieces": [checksum(piece) for piece in pieces]}).encode()})


def test_what_the_host_sent_comes_in_its_order():
    shelf = sent(ipc([1], [2, 3]), ipc([4]))
    assert [batch.column(0).to_pylist() for batch in incoming(shelf, shelf, {})] == [[1], [2, 3], [4]]
    assert list(shelf.objects) == ["in/end.json"]


def gone(lying):
    del lying["in/000002.arrow"]


def change_places(lying):
    lying["in/000001.arrow"], lying["in/000002.arrow"] = lying["in/000002.arrow"], lying["in/000001.arrow"]


def of_another(lying):
    lying["in/000002.arrow"] = ipc([8])


def cut_short(lying):
    lying["in/000002.arrow"] = lying["in/000002.arrow"][:-12]


def no_arrow(lying):
    lying["in/000002.arrow"] = b"no arrow"


def untold(lying):
    said = json.loads(lying["in/end.json"])
    lying["in/end.json"] = json.dumps({"pieces": said["pieces"][:1]}).encode()


@pytest.mark.parametrize("happens", [gone, change_places, of_another, cut_short, no_arrow, untold])
def test_a_piece_that_is_not_the_one_that_the_host_sent_is_an_error(happens):
    shelf = sent(ipc([1]), ipc([2]))
    happens(shelf.objects)
    shelf.pause = lambda seconds: None
    rows = incoming(shelf, shelf, {}, "stream 'orders', unit 'part-1'")
    with pytest.raises(SandboxError, match=r"piece [12] of the rows \(stream 'orders', unit 'part-1'\)") as caught:
        list(rows)
    assert (caught.value.error_code, caught.value.retryable) == ("FUNCTION_ROWS_LOST", True)
    assert caught.value.details["piece"] == (1 if happens is change_places else 2)


def test_a_host_that_does_not_move_for_too_long_is_taken_for_dead():
    shelf = Shelf()
    shelf.pause = lambda seconds: None
    out = outgoing(shelf, idle_seconds=0)
    out.add(b"x" * 10, 1, 1)
    out.add(b"x" * 10, 1, 2)
    with pytest.raises(TransientError) as writing:
        out.add(b"x" * 10, 1, 3)
    assert writing.value.error_code == "FUNCTION_IDLE"
    with pytest.raises(TransientError, match="idle_seconds = 0"):
        list(incoming(Shelf(), shelf, {"idle_seconds": 0}))


def test_a_batch_does_not_wait_for_one_that_does_not_come(monkeypatch):
    shelf = Shelf()
    out = outgoing(shelf, piece_bytes=100, ahead=1)
    out.add(b"one", 1, 1)
    shelf.tick()
    assert shelf.objects == {}, "it may share its piece for a while"
    monkeypatch.setattr(pieces, "FLUSH_SECONDS", 0)
    shelf.tick()
    assert shelf.objects == {piece_name(1): b"one"}
    monkeypatch.setattr(pieces, "FLUSH_SECONDS", 600)
    out.add(b"two", 1, 2)
    monkeypatch.setattr(pieces, "FLUSH_SECONDS", 0)
    shelf.tick()
    assert list(shelf.objects) == [piece_name(1)], "the host has to read first"
    assert shelf.pauses == 0
    said = out.finish()
    assert [piece["rows"] for piece in said["pieces"]] == [1, 1]
    assert shelf.taken + list(shelf.objects.values()) == [b"one", b"two"]


def test_rows_that_go_with_the_reply_are_not_written_as_well(monkeypatch):
    shelf = Shelf()
    out = outgoing(shelf, inline_bytes=100)
    out.add(b"rows", 1, 1)
    assert "inline" in out.finish()
    monkeypatch.setattr(pieces, "FLUSH_SECONDS", 0)
    shelf.tick()
    assert shelf.objects == {}


@pytest.mark.parametrize("resumes", [True, False])
def test_a_read_that_stops_early_does_not_wait_for_the_host(resumes):
    shelf = Shelf()
    shelf.late = True
    out = Outgoing(shelf, shelf, {"inline_bytes": 0, "piece_bytes": 1, "ahead": 1}, resumes=resumes)
    for position in range(3):
        out.add(b"rows", 1, position)
    assert shelf.pauses == (0 if resumes else 2)


def test_a_file_has_the_checksum_of_its_bytes(tmp_path):
    file = tmp_path / "rows.parquet"
    for data in (b"", b"123456789", bytes(range(256)) * 8192 + b"end"):
        file.write_bytes(data)
        assert checksum_of_file(file) == checksum(data) == {"bytes": len(data), "crc32": zlib.crc32(data)}
    assert checksum(b"123456789")["crc32"] == 0xCBF43926
