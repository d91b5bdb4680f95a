"""What a function answers over HTTP is read as far as a reply may go; calls share connections, and none comes twice."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from dativo_dagster.launchers.gcp_functions import calls, connections
from dativo_dagster.launchers.gcp_functions.calls import CloudFunction
from dativo_dagster.launchers.gcp_functions.config import Config
from dativo_ingest.exceptions import DativoError

WHOLE = b'{"dativo": 2}'


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Keep connections for as long as a slow machine may take between two calls."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 600)


class Server(ThreadingHTTPServer):
    """Counts.

    Attributes:
        asked: The headers of each request.
        connected: How many connections were made.
    """

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.asked, self.connected = [], 0
        self._ended, self._ends = 0, threading.Semaphore(0)

    def process_request(self, request, client_address):
        self.connected += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self._ends.release()

    def await_ends(self, connections):
        """Wait until so many connections are over."""
        while self._ended < connections:
            assert self._ends.acquire(timeout=30), f"{connections - self._ended} connections are still there"
            self._ended += 1


@contextmanager
def serving(answer):
    """Give a function, and the server here that is its instance and answers as ``answer`` does with its handler."""

    class Instance(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.server.asked.append(self.headers)
            try:
                answer(self)
            except OSError:
                self.close_connection = True  # the host has hung up

        def log_message(self, *_):
            """Say nothing."""

    with Server(Instance) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            deployed = SimpleNamespace(uri=f"http://127.0.0.1:{server.server_port}/", name="functions/one")
            with closing(CloudFunction(deployed, Config(project_id="p", region="europe-west1"))) as function:
                vars(function)["_identity"] = SimpleNamespace(valid=True, token="t")
                yield function, server
            server.await_ends(server.connected)
        finally:
            server.shutdown()
            thread.join()


def whole(handler, *headers):
    handler.send_response(200)
    for header in headers:
        handler.send_header(*header)
    handler.send_header("Content-Length", str(len(WHOLE)))
    handler.end_headers()
    handler.wfile.write(WHOLE)


def unended(handler):
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()


def endless(handler):
    unended(handler)
    while True:
        handler.wfile.write(b" " * 65536)


def dripping(handler):
    """Never be silent for as long as a connection may be."""
    unended(handler)
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.01)


def cut_short(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(WHOLE) + 1))
    handler.end_headers()
    handler.wfile.write(WHOLE)
    handler.close_connection = True


def silent(handler):
    """Take the request, and hang up."""
    handler.close_connection = True


def elsewhere(handler):
    handler.send_response(302)
    handler.send_header("Location", "/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def test_calls_one_after_another_take_one_connection():
    with serving(whole) as (function, server):
        assert [function.invoke(b"{}").payload for _ in range(3)] == [WHOLE] * 3
        assert (len(server.asked), server.connected) == (3, 1)


def test_calls_at_once_have_each_its_own_and_those_after_them_take_no_more():
    together = threading.Barrier(2, timeout=30)

    def answer(handler):
        together.wait()
        whole(handler)

    with serving(answer) as (function, server), ThreadPoolExecutor(2) as threads:
        for _ in range(2):
            list(threads.map(function.invoke, [b"{}"] * 2))
        assert (len(server.asked), server.connected) == (4, 2)


def test_a_call_that_outlives_the_opening_ends_and_closes_its_connection():
    came, go = threading.Event(), threading.Event()

    def answer(handler):
        came.set()
        go.wait()
        whole(handler)

    with serving(answer) as (function, _), ThreadPoolExecutor() as threads:
        call = threads.submit(function.invoke, b"{}")
        came.wait()
        function.close()
        go.set()
        assert call.result().payload == WHOLE


def test_what_was_closed_at_the_far_end_or_not_used_for_long_is_not_used_again(monkeypatch):
    def answer(handler):
        whole(handler)
        handler.close_connection = len(handler.server.asked) == 1

    with serving(answer) as (function, server):
        function.invoke(b"{}")
        server.await_ends(1)
        function.invoke(b"{}")
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0)
        function.invoke(b"{}")
        server.await_ends(2)
        assert (len(server.asked), server.connected) == (3, 3)


def test_no_answer_says_what_the_next_call_brings():
    with serving(lambda handler: whole(handler, ("Set-Cookie", "a=b"))) as (function, server):
        for _ in range(2):
            function.invoke(b"{}")
        assert [asked["Cookie"] for asked in server.asked] == [None, None]


@pytest.mark.parametrize(
    ("answer", "seconds", "code", "retryable"),
    [
        (endless, 600, "FUNCTION_CRASHED", False),
        (dripping, 2 - calls._GRACE_SECONDS, "FUNCTION_TIMEOUT", True),
        (cut_short, 600, "FUNCTION_UNREACHABLE", True),
        (silent, 600, "FUNCTION_UNREACHABLE", True),
        (elsewhere, 600, "FUNCTION_CRASHED", True),
    ],
)
def test_what_is_no_whole_reply_is_an_error_and_asks_for_nothing_again(answer, seconds, code, retryable):
    """On a connection that was kept: there a client may take the failure for an old connection, and repeat."""

    def whole_at_first(handler):
        (whole if len(handler.server.asked) == 1 else answer)(handler)

    with serving(whole_at_first) as (function, server):
        function.invoke(b"{}")
        function.limits = replace(function.limits, seconds=seconds)
        with pytest.raises(DativoError) as caught:
            function.invoke(b"{}")
        assert (len(server.asked), server.connected) == (2, 1)
    assert (caught.value.error_code, caught.value.retryable) == (code, retryable)
