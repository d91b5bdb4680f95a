"""An API of people, where the plugin that is tested can reach it.

Functions in containers see no server of this machine, so theirs runs in a container beside them: this file, started.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

from dativo_ingest.testing import http_server, pages, server

ROOT = Path(__file__).parents[2]
TOKEN = "s3cret-token"
PEOPLE = [{"id": i, "name": f"n{i}", "updated_at": f"2026-01-01T00:{i:02}:00Z"} for i in range(25)]
ROUTES = {"/": {"objects": ["users"]}, "/users": pages(PEOPLE, 10)}


@contextlib.contextmanager
def here() -> Iterator[str]:
    """Serve on loopback of this machine; gives the address."""
    with http_server(ROUTES, token=TOKEN) as api:
        yield api.url


@contextlib.contextmanager
def beside(engine: Any, image: str, network: str, labels: dict[str, str]) -> Iterator[str]:
    """Serve in a network of the engine; gives the address there."""
    name = f"people-{uuid.uuid4().hex[:12]}"
    container = engine.containers.run(
        image,
        entrypoint=["python3", "-u", "/sdk/tests/conformance/people.py"],
        name=name,
        network=network,
        labels=labels,
        environment={"PYTHONPATH": "/sdk"},
        volumes={
            str(ROOT / "dativo_ingest"): {"bind": "/sdk/dativo_ingest", "mode": "ro"},
            __file__: {"bind": "/sdk/tests/conformance/people.py", "mode": "ro"},
        },
        detach=True,
    )
    try:
        while not (port := container.logs(stderr=False).decode().strip()):
            time.sleep(0.05)  # a server that did not start would be the test's timeout
        yield f"http://{name}:{port}"
    finally:
        container.remove(force=True, v=True)


def main() -> None:
    """Serve in a container until it ends, and print the port."""
    server.HOST = "0.0.0.0"  # of a network that has the functions of one test and nobody else
    with http_server(ROUTES, token=TOKEN) as api:
        print(api.url.rpartition(":")[2], flush=True)
        Event().wait()


if __name__ == "__main__":
    main()
