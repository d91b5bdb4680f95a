"""Google Secret Manager's REST API, as much of it as reading a secret needs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class GoogleSecrets:
    """A running server; ``data`` maps ``projects/p/secrets/s/versions/v`` to the secret."""

    endpoint: str
    data: dict[str, str] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)


@contextmanager
def serve() -> Iterator[GoogleSecrets]:
    """Run a server on a free port."""
    google = GoogleSecrets(endpoint="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/v1/").partition(":access")[0]
            if not self.headers.get("Authorization", "").startswith("Bearer ey"):
                return self.answer(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
            if name in google.forbidden:
                return self.answer(403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}})
            if name not in google.data:
                return self.answer(404, {"error": {"code": 404, "status": "NOT_FOUND"}})
            payload = {"data": base64.b64encode(google.data[name].encode()).decode()}
            return self.answer(200, {"name": name, "payload": payload})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        google.endpoint = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield google
        server.shutdown()
