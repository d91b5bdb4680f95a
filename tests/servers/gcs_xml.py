"""The XML API of Google Cloud Storage in front of fake-gcs-server, which only half speaks it.

obstore writes through the XML API; fake-gcs-server knows uploads by the JSON API alone. This proxy turns the XML
requests for put (with preconditions), copy and multipart upload into JSON requests and passes all others on as they
are. Objects, generations and preconditions stay fake-gcs-server's.
Format: https://cloud.google.com/storage/docs/xml-api/overview.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}
_PRECONDITION = "x-goog-if-generation-match"


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of five, the sixth client that comes at once waits for a second, or for seven

    def __init__(self, port: int, backend: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.backend = backend
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.numbers = itertools.count(1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a client that went away in peace; print all else."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Front

    def do_GET(self) -> None:
        self._pass_on(self._body())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        body, query = self._body(), self._query()
        if not self._is_object():
            self._pass_on(body)
        elif "uploadId" in query:
            parts = self.server.uploads.get(query["uploadId"])
            if parts is None:  # given up while this part was on its way
                self._answer(404, {})
                return
            parts[int(query["partNumber"])] = body
            self._answer(200, {"ETag": f'"{query["partNumber"]}"'})
        elif source := self.headers.get("x-goog-copy-source"):
            bucket, _, key = source.strip("/").partition("/")
            self._json("POST", f"/storage/v1/b/{bucket}/o/{_quote(key)}/copyTo/b/{self._place('/o/')}", b"{}")
        else:
            self._upload(body)

    def do_POST(self) -> None:
        body, query = self._body(), self._query()
        if not self._is_object():
            self._pass_on(body)
        elif "uploads" in query:
            upload = str(next(self.server.numbers))
            self.server.uploads[upload] = {}
            self._xml("InitiateMultipartUploadResult", UploadId=upload)
        else:
            parts = self.server.uploads.pop(query["uploadId"])
            self._upload(b"".join(parts[n] for n in sorted(parts)), xml=True)

    def do_DELETE(self) -> None:
        if "uploadId" in self._query():
            self.server.uploads.pop(self._query()["uploadId"], None)
            self._answer(204, {})
        else:
            self._pass_on(self._body())

    def _is_object(self) -> bool:
        return not self.path.startswith(("/storage/", "/upload/", "/resumable/", "/download/", "/_internal/"))

    def _query(self) -> dict[str, str]:
        pairs = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
        return dict(pairs)

    def _place(self, between: str) -> str:
        """Name bucket and key of the request's path as the JSON API wants them."""
        bucket, _, key = urllib.parse.urlsplit(self.path).path.lstrip("/").partition("/")
        return f"{bucket}{between}{_quote(key)}"

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _upload(self, body: bytes, *, xml: bool = False) -> None:
        """Use the multipart form: fake-gcs-server ignores preconditions on ``uploadType=media``."""
        edge = "dativo-edge-of-part"
        head = f"--{edge}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{edge}\r\n\r\n".encode()
        whole = b"".join((head, body, f"\r\n--{edge}--".encode()))
        path = f"/upload/storage/v1/b/{self._place('/o?uploadType=multipart&name=')}"
        self._json("POST", path, whole, f"multipart/related; boundary={edge}", xml=xml)

    def _json(self, method: str, path: str, body: bytes, kind: str = "application/json", *, xml: bool = False) -> None:
        if match := self.headers.get(_PRECONDITION):
            path += f"{'&' if '?' in path else '?'}ifGenerationMatch={match}"
        status, _, answer = self._ask(method, path, body, {"Content-Type": kind})
        found: dict[str, Any] = json.loads(answer) if status < 300 else {}
        found = found.get("resource", found)
        headers = {"ETag": f'"{found.get("etag")}"', "x-goog-generation": str(found.get("generation"))}
        if xml and found:
            self._xml("CompleteMultipartUploadResult", headers, ETag=headers["ETag"])
        else:
            self._answer(status, headers if found else {}, b"" if found else answer)

    def _pass_on(self, body: bytes) -> None:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        status, found, answer = self._ask(self.command, self.path, body, headers)
        length = {"Content-Length": found["Content-Length"]} if "Content-Length" in found else {}
        kept = {k: v for k, v in found.items() if k.lower() not in _HOP}
        self._answer(status, {**kept, **(length if self.command == "HEAD" else {})}, answer)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.backend, timeout=60)
        with contextlib.closing(connection):
            host = f"127.0.0.1:{self.server.server_port}"  # fake-gcs tells its two APIs apart by the host asked for
            connection.request(method, path, body, {**headers, "Host": host})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def _xml(self, root: str, headers: dict[str, str] | None = None, **children: str) -> None:
        inner = "".join(f"<{k}>{v}</{k}>" for k, v in children.items())
        self._answer(200, {**(headers or {}), "Content-Type": "application/xml"}, f"<{root}>{inner}</{root}>".encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _quote(key: str) -> str:
    return urllib.parse.quote(urllib.parse.unquote(key), safe="")


@contextlib.contextmanager
def front(port: int, backend: int) -> Iterator[None]:
    """Serve both APIs on ``port`` for the fake-gcs-server that listens on ``backend``."""
    server = _Front(port, backend)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
