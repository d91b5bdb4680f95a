"""What a plugin logs and prints is kept for the reply, up to its room."""

from __future__ import annotations

import json
import os

from dativo_ingest.functions.records import LAST_LINES, LONGEST_LINE, PRINTED, ROOM, Printed, Records


def printed(data: bytes) -> tuple[Printed, Records]:
    reading, writing = os.pipe()
    records = Records({"unit": "1"})
    reader = Printed(os.fdopen(reading, "rb"), records)
    reader.start()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(data)
    reader.join()
    return reader, records


def test_printed_lines_become_records_with_the_tags():
    reader, records = printed(b"one\n\n\xff two")
    assert [(line["logger"], line["message"]) for line in records.kept] == [(PRINTED, "one"), (PRINTED, "\ufffd two")]
    assert records.kept[0]["tags"] == {"unit": "1"}
    assert reader.last == ["one", "\ufffd two"]


def test_a_line_without_an_end_is_cut_and_the_last_lines_are_known():
    reader, records = printed(b"x" * (LONGEST_LINE + 1) + b"\n" + b"y\n" * LAST_LINES)
    assert [len(line["message"]) for line in records.kept[:2]] == [LONGEST_LINE, 1]
    assert reader.last == ["y"] * LAST_LINES


def test_a_flood_ends_with_a_word_that_the_rest_is_left_out():
    records = Records({})
    for _ in range(ROOM):
        records.add(20, "shop", "z" * 1000)
    assert "the rest is left out" in records.kept[-1]["message"]
    assert len(json.dumps(records.kept)) <= ROOM + 2000


def test_short_lines_cannot_make_a_reply_too_large_either():
    records = Records({"run": "r" * 40, "unit": "u" * 40})
    for _ in range(ROOM // 10):
        records.add(20, "shop", "\U0001f600")
    assert len(json.dumps(records.kept)) <= ROOM * 1.1
