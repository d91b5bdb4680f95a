"""The Runtime API of AWS Lambda, as a program in a function's sandbox sees it: gives invocations, takes their answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

INVOCATIONS = "/2018-06-01/runtime/invocation/"


@dataclass
class Sandbox:
    """One running bootstrap; invocations are answered one by one, in order."""

    address: str = ""
    asked: queue.Queue[tuple[str, bytes, float]] = field(default_factory=queue.Queue)
    answers: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    process: subprocess.Popen[bytes] | None = None

    def ask(self, payload: Mapping[str, Any] | bytes, *, seconds: float = 60) -> None:
        """Give an invocation, which has so many seconds."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.asked.put((uuid.uuid4().hex, body, seconds))

    def answer(self) -> Any:
        """Wait for the answer of the next invocation."""
        kind, answer = self.answers.get(timeout=60)
        assert kind == "response", answer
        return answer

    def invoke(self, payload: Mapping[str, Any], *, seconds: float = 60) -> Any:
        """Ask, and wait for the answer."""
        self.ask(payload, seconds=seconds)
        return self.answer()

    def ended(self) -> int:
        """Wait for the end of the bootstrap, and give its status."""
        assert self.process is not None
        return self.process.wait(timeout=30)


@contextlib.contextmanager
def sandbox(bootstrap: Path, folder: Path, handler: str, env: Mapping[str, str]) -> Iterator[Sandbox]:
    """Run a bootstrap as Lambda does, with the function's code in ``folder``."""
    made = Sandbox()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(made)) as server:
        threading.Thread(target=server.serve_forever, name="runtime-api", daemon=True).start()
        made.address = f"127.0.0.1:{server.server_port}"
        words = {"AWS_LAMBDA_RUNTIME_API": made.address, "LAMBDA_TASK_ROOT": str(folder), "_HANDLER": handler}
        process = made.process = subprocess.Popen([bootstrap], env={"PATH": os.environ["PATH"], **env, **words})
        try:
            yield made
        finally:
            process.kill()
            process.wait()
            made.asked.put(("", b"", 0))
            server.shutdown()


def _handler(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            invocation, payload, seconds = sandbox.asked.get()
            with contextlib.suppress(OSError):  # the program may have ended meanwhile
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.send_header("Lambda-Runtime-Aws-Request-Id", invocation)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + seconds) * 1000)))
                self.end_headers()
                self.wfile.write(payload)

        def do_POST(self) -> None:
            answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sandbox.answers.put((self.path.rsplit("/", 1)[1], answer))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the class above
            """Say nothing: what went wrong is in the answers."""

    return Handler
