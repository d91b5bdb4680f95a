"""HashiCorp Vault's HTTP API, as much of it as reading KV secrets needs: token and AppRole login, KV 1 and 2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN, ROLE, SECRET = "root-token", "role-1", "secret-1"


@dataclass
class VaultServer:
    """A running server; ``data`` maps ``mount/path`` to the secrets there, None for a deleted version."""

    address: str
    data: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    namespaces: list[str | None] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[VaultServer]:
    """Run a server on a free port."""
    vault = VaultServer(address="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            vault.namespaces.append(self.headers.get("X-Vault-Namespace"))
            if self.headers.get("X-Vault-Token") not in (TOKEN, "approle-token"):
                return self.answer(403, {"errors": ["permission denied"]})
            mount, _, path = self.path.removeprefix("/v1/").partition("/")
            second = path.startswith("data/")
            key = f"{mount}/{path.removeprefix('data/')}"
            if key not in vault.data:
                return self.answer(404, {"errors": []})
            found = vault.data[key]
            if found is None:
                return self.answer(404, {"data": {"data": None, "metadata": {"deletion_time": "2024-01-01T00:00:00Z"}}})
            return self.answer(200, {"data": {"data": found, "metadata": {"version": 1}} if second else found})

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/auth/approle/login" or said != {"role_id": ROLE, "secret_id": SECRET}:
                return self.answer(400, {"errors": ["invalid role or secret ID"]})
            return self.answer(200, {"auth": {"client_token": "approle-token"}})

        do_PUT = do_POST  # noqa: N815 - the name that http.server calls

        def answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        vault.address = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield vault
        server.shutdown()
