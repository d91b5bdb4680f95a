"""A proxy in front of an Iceberg REST catalog that makes commits ambiguous, as gateways and networks do.

Whatever is no commit goes through as it is. Each commit takes the next of ``faults``; with none left it goes through:

========= ======================================================================================
lost      the catalog commits, the client is told 500
cut       the catalog commits, the connection ends without an answer
failed    the catalog never hears of it, the client is told 500
late      the client is told 504, and the catalog gets the commit before it gets the client's next
stale     the client is told 504, and the catalog gets the commit after the client's next
twice     the catalog gets the commit, the client its answer, and the catalog the same commit again
conflict  the client is told 409, and the catalog never hears of it
========= ======================================================================================
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

COMMIT = re.compile(r"/namespaces/[^/]+/tables/[^/]+$")
FAULTS = ("lost", "cut", "failed", "late", "stale", "twice", "conflict")
DROPPED = {"host", "connection", "content-length", "transfer-encoding", "content-encoding", "accept-encoding"}
ERRORS = {500: "ServiceFailureException", 504: "ServiceUnavailableException", 409: "CommitFailedException"}


@dataclass
class Request:
    """One request, ready to be sent (again)."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    def send(self) -> requests.Response:
        """Send it to the catalog."""
        with requests.Session() as session:
            return session.request(self.method, self.url, headers=self.headers, data=self.body, timeout=60)


@dataclass
class Proxy:
    """A running proxy. ``answers`` are the status codes that the catalog gave to commits, replayed ones included."""

    uri: str
    upstream: str
    faults: deque[str] = field(default_factory=deque)
    answers: list[int] = field(default_factory=list)
    held: list[tuple[str, Request]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def commit(self, request: Request) -> requests.Response | int | None:
        """Handle one commit: an answer of the catalog's, a status of ours, or None to hang up."""
        with self.lock:
            fault = self.faults.popleft() if self.faults else ""
            self._deliver("late")
            if fault in {"late", "stale"}:
                self.held.append((fault, request))
                return 504
            if fault in {"failed", "conflict"}:
                return 500 if fault == "failed" else 409
            answer = self._ask(request)
            if fault == "twice":
                self._ask(request)
            self._deliver("stale")
        return {"lost": 500, "cut": None}.get(fault, answer)

    def _deliver(self, kind: str) -> None:
        for each in [h for h in self.held if h[0] == kind]:
            self.held.remove(each)
            self._ask(each[1])

    def _ask(self, request: Request) -> requests.Response:
        answer = request.send()
        self.answers.append(answer.status_code)
        return answer


@contextlib.contextmanager
def serve(upstream: str) -> Iterator[Proxy]:
    """Run a proxy in front of the catalog at ``upstream``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    proxy = server.proxy = Proxy(f"http://127.0.0.1:{server.server_port}", upstream)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
        request = Request(self.command, proxy.upstream + self.path, headers, body)
        if self.command == "POST" and COMMIT.search(self.path.partition("?")[0]):
            self._tell(proxy.commit(request))
        else:
            self._tell(request.send())

    do_GET = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815 - names that http.server looks for

    def _tell(self, answer: requests.Response | int | None) -> None:
        if answer is None:
            self.close_connection = True
            return
        if isinstance(answer, int):
            error = f'{{"error": {{"message": "by the proxy", "type": "{ERRORS[answer]}", "code": {answer}}}}}'
            self._send(answer, "application/json", error.encode())
        else:
            self._send(answer.status_code, answer.headers.get("Content-Type", "application/json"), answer.content)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing on standard error."""
