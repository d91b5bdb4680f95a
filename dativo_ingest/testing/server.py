"""A real HTTP server on this machine whose answers a test writes down: pages, refusals, delays, broken connections."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client asked: header names in lower case, the last value of each query parameter."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """Give the body as what it says in JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says.

    Args:
        json: The body as data; ``body`` has it as bytes instead.
        body: The body as it is.
        status: The HTTP status.
        headers: More headers.
        retry_after: The header of that name, in seconds.
        delay: Seconds before the answer.
        cut: After so many bytes of the body the connection breaks; 0 is before the status line.
    """

    json: Any = None
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    delay: float = 0.0
    cut: int | None = None

    def payload(self) -> bytes:
        """Give the body's bytes."""
        return self.body if self.json is None else json.dumps(self.json).encode()


Route = Answer | Mapping[str, Any] | Sequence[Answer | Mapping[str, Any]] | Callable[[Request], Answer]


class HttpServer:
    """A server that is running; ``requests`` has what it was asked, in order."""

    def __init__(self, routes: Mapping[str, Route], token: str | None) -> None:
        self.routes, self.token = dict(routes), token
        self.requests: list[Request] = []
        self._turn: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="http", daemon=True)

    @property
    def url(self) -> str:
        """Give the address, without a slash at the end."""
        return f"http://{HOST}:{self._server.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; connections that are open come to an end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Answer:
        """Decide what to say to a request, and remember it."""
        with self._lock:
            self.requests.append(request)
            route = self.routes.get(request.path)
            turn = self._turn[request.path] = self._turn.get(request.path, -1) + 1
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return Answer(status=401, json={"error": "wrong or no bearer token"})
        if route is None:
            return Answer(status=404, json={"error": f"nothing at {request.path}"})
        if callable(route):
            return route(request)
        if isinstance(route, Sequence):
            route = route[min(turn, len(route) - 1)]
        return route if isinstance(route, Answer) else Answer(json=route)


@contextmanager
def http_server(routes: Mapping[str, Route], *, token: str | None = None) -> Iterator[HttpServer]:
    """Start a server on a free port of this machine; it ends with the block.

    Args:
        routes: What is said at which path: an `Answer`; a mapping, which is sent as JSON; a list of those, one for each
            request and the last one for all that follow; or a function of the `Request`.
        token: The bearer token without which every answer is 401.
    """
    server = HttpServer(routes, token)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def pages(rows: Sequence[Mapping[str, Any]], size: int, *, key: str = "data") -> Callable[[Request], Answer]:
    """Make a route that gives rows page by page: ``{"data": [...], "next": "/path?page=2" or null}``."""

    def answer(request: Request) -> Answer:
        page = int(request.query.get("page", "1"))
        more = page * size < len(rows)
        following = f"{request.path}?page={page + 1}" if more else None
        return Answer(json={key: list(rows[(page - 1) * size : page * size]), "next": following})

    return answer


def _handler(server: HttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the script."""

        def _speak(self) -> None:
            said = server.answer(self._request())
            time.sleep(said.delay)
            payload = said.payload()
            if said.cut == 0:
                self._break()
                return
            self.send_response(said.status)
            if said.retry_after is not None:
                self.send_header("Retry-After", str(said.retry_after))
            for name, value in {"Content-Type": "application/json", **said.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload[: said.cut])
            if said.cut is not None:
                self._break()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _speak  # noqa: N815 - names of http.server

        def _request(self) -> Request:
            parts = urlsplit(self.path)
            return Request(
                method=self.command,
                path=parts.path,
                query={name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            )

        def _break(self) -> None:
            """Reset the connection, which a plain close would end politely."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing; `requests` remembers."""

    return Handler
