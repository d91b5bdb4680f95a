"""The Cloud Functions of a project on loopback: its admin API, its token endpoint, and the calls of its functions.

``GOOGLE_APPLICATION_CREDENTIALS`` names one of the key files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.cloud_project import CloudFunctions, Refused
from tests.servers.google_accounts import Unauthenticated

__all__ = ["CloudFunctions", "serve"]

_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_STATUS |= {409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED"}


@contextmanager
def serve(folder: Path) -> Iterator[CloudFunctions]:
    """Run the server on a free port of loopback; every function ends with it."""
    project = CloudFunctions(folder)

    class Handler(_Handler):
        cloud = project

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        project.endpoint = f"http://127.0.0.1:{server.server_port}"
        project.accounts.token_uri = f"{project.endpoint}/token"
        project.key_file = project.account("dativo")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield project
        finally:
            project.reset()
            project.owner.submit(project.starter.close).result()
            project.owner.shutdown()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    cloud: CloudFunctions
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the client to acknowledge the headers

    def do_GET(self) -> None:
        self._answer_admin()

    def do_PATCH(self) -> None:
        self._answer_admin()

    def do_DELETE(self) -> None:
        self._answer_admin()

    def do_PUT(self) -> None:
        """Take a source, as a signed URL does: whoever has it needs no credentials, and must not bring any.

        https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions/generateUploadUrl
        """
        source, said = self._body(), (self.headers.get("Content-Type"), self.headers.get("Authorization"))
        if said == ("application/zip", None):
            self.cloud.uploads[self.path.removeprefix("/upload/")] = source
        self._send(200 if said == ("application/zip", None) else 403, b"")

    def do_POST(self) -> None:
        if self.path == "/token":
            try:
                self._send_json(200, self.cloud.accounts.token(self._body()))
            except Unauthenticated as error:
                self._send_json(401, {"error": "invalid_grant", "error_description": str(error)})
        elif self.path.startswith("/run/"):
            self.cloud.lines[self.client_address] = True
            name, kind = self.path.removeprefix("/run/"), self.headers.get("Content-Type", "")
            status, content, retry_after = self.cloud.invoke(
                name, self.headers.get("Authorization"), self._body(), kind
            )
            self._send(status, content, retry_after=retry_after)
        else:
            self._answer_admin()

    def finish(self) -> None:
        super().finish()
        if self.client_address in self.cloud.lines:
            self.cloud.lines[self.client_address] = False

    def _answer_admin(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v2/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self._body()
        self.cloud.calls.append((self.command, path))
        try:
            self.cloud.authorize(self.headers.get("Authorization"), path)
            self._send_json(200, self.cloud.admin(self.command, path, query, json.loads(body or b"{}")))
        except Unauthenticated as error:
            self._refuse(401, str(error))
        except Refused as error:
            self._refuse(error.status, error.message, error.reason)

    def _refuse(self, code: int, message: str, reason: str = "") -> None:
        details = [{"@type": _ERROR_INFO, "reason": reason, "domain": "googleapis.com"}] if reason else []
        said = {"code": code, "message": message, "status": _STATUS[code], "details": details}
        self._send_json(code, {"error": said})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send_json(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str = "application/octet-stream", retry_after: str = "") -> None:
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if not self.path.startswith("/run/"):  # nobody closes what Google's own client would keep
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass
