"""The HTTP server of the kit says what a test wrote down, over a real connection."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request

import pytest

from dativo_ingest.testing import Answer, http_server, pages


def _get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return json.load(answer)


def test_a_mapping_is_sent_as_json_and_the_request_is_remembered():
    with http_server({"/users": {"data": [1]}}) as server:
        assert _get(f"{server.url}/users?page=2&empty=", Accept="x") == {"data": [1]}
        (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", "/users", {"page": "2", "empty": ""})
    assert request.headers["accept"] == "x"


def test_a_list_gives_one_answer_a_request_and_the_last_one_forever():
    with http_server({"/": [{"n": 1}, {"n": 2}]}) as server:
        assert [_get(server.url + "/")["n"] for _ in range(3)] == [1, 2, 2]


def test_a_function_answers_by_the_request():
    with http_server({"/echo": lambda request: Answer(json=request.json(), status=201)}) as server:
        asked = urllib.request.Request(f"{server.url}/echo", b'{"a": 1}', method="POST")
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert (answer.status, json.load(answer)) == (201, {"a": 1})


def test_rows_come_page_by_page_until_there_is_no_next():
    with http_server({"/users": pages([{"id": i} for i in range(5)], 2)}) as server:
        at, found = "/users", []
        while at:
            page = _get(server.url + at)
            found.append([row["id"] for row in page["data"]])
            at = page["next"]
    assert found == [[0, 1], [2, 3], [4]]


def test_without_the_bearer_token_every_answer_is_a_refusal():
    with http_server({"/": {}}, token="t0ken") as server:
        assert _get(server.url + "/", Authorization="Bearer t0ken") == {}
        with pytest.raises(urllib.error.HTTPError) as refused, refused_closed(refused):
            _get(server.url + "/", Authorization="Bearer other")
        assert refused.value.code == 401


def test_a_status_comes_with_its_retry_after():
    with http_server({"/": [Answer(status=429, retry_after=7), {"ok": True}]}) as server:
        with pytest.raises(urllib.error.HTTPError) as refused, refused_closed(refused):
            _get(server.url + "/")
        assert (refused.value.code, refused.value.headers["Retry-After"]) == (429, "7")
        assert _get(server.url + "/") == {"ok": True}


def test_what_no_route_says_is_not_found():
    with http_server({}) as server, pytest.raises(urllib.error.HTTPError) as refused, refused_closed(refused):
        _get(server.url + "/nothing")
    assert refused.value.code == 404


@pytest.mark.parametrize("cut", [0, 5])
def test_a_connection_breaks_where_it_is_cut(cut):
    with (
        http_server({"/": Answer(body=b"x" * 100_000, cut=cut)}) as server,
        pytest.raises((ConnectionError, http.client.HTTPException, urllib.error.URLError)),
        urllib.request.urlopen(server.url + "/", timeout=60) as answer,
    ):
        answer.read()


def test_an_answer_can_be_late():
    with http_server({"/": Answer(json={}, delay=0.2)}) as server:
        started = time.monotonic()
        _get(server.url + "/")
    assert time.monotonic() - started >= 0.2


class refused_closed:  # noqa: N801 - reads as a statement
    """Close the body of an HTTPError, which pytest keeps and Python would warn of."""

    def __init__(self, raised):
        self.raised = raised

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return False
