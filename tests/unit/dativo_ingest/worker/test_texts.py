"""JSON from far away is taken apart as far as somebody needs it."""

from __future__ import annotations

import pytest

from dativo_ingest.worker import texts


def test_json_of_too_many_values_is_none(monkeypatch):
    monkeypatch.setattr(texts, "MOST_VALUES", 3)
    assert texts.parse(b'{"a": [1, 2]}') == {"a": [1, 2]}
    with pytest.raises(ValueError, match="up to 5 values, of which 3 may be"):
        texts.parse(b"[[], [[]]]")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_an_empty_one(text):
    assert texts.parse_object(text) == {}


def test_an_object_is_what_it_says():
    assert texts.parse_object(b'{"tenant": "acme"}') == {"tenant": "acme"}
