"""What a function answers over HTTP is read as far as a reply may go, in size and in time."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from dativo_dagster.launchers.gcp_functions import calls
from dativo_dagster.launchers.gcp_functions.calls import CloudFunction
from dativo_dagster.launchers.gcp_functions.config import Config
from dativo_ingest.exceptions import DativoError

WHOLE = b'{"dativo": 2}'


@contextmanager
def answering(answer):
    """Give a function whose instance is a server here, and answers as ``answer`` does with its handler."""

    class Instance(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            try:
                answer(self)
            except OSError:
                self.close_connection = True  # the host has hung up

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Instance) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            deployed = SimpleNamespace(uri=f"http://127.0.0.1:{server.server_port}/", name="functions/one")
            function = CloudFunction(deployed, Config(project_id="p", region="europe-west1"))
            vars(function)["_identity"] = SimpleNamespace(valid=True, token="t")
            yield function
        finally:
            server.shutdown()
            thread.join()


def plain(handler):
    handler.send_header("Content-Length", str(len(WHOLE)))
    handler.end_headers()
    handler.wfile.write(WHOLE)


def endless(handler):
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


def dripping(handler):
    """Never be silent for as long as a connection may be."""
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.01)


def cut_short(handler):
    handler.send_header("Content-Length", str(len(WHOLE) + 1))
    handler.end_headers()
    handler.wfile.write(WHOLE)


def test_a_reply_comes_as_it_was_sent():
    with answering(plain) as function:
        assert function.invoke(b"{}", 10).payload == WHOLE


@pytest.mark.parametrize(
    ("answer", "seconds", "code", "retryable"),
    [
        (endless, 600, "FUNCTION_CRASHED", False),
        (dripping, 1 - calls._GRACE_SECONDS, "FUNCTION_TIMEOUT", True),
        (cut_short, 600, "FUNCTION_UNREACHABLE", True),
    ],
)
def test_a_reply_without_an_end_or_without_its_end_is_an_error(answer, seconds, code, retryable):
    with answering(answer) as function, pytest.raises(DativoError) as caught:
        function.invoke(b"{}", seconds)
    assert (caught.value.error_code, caught.value.retryable) == (code, retryable)
