"""What surrounds a function's code on AWS Lambda, in a container: takes invocations and drives the runtime.

It speaks the two protocols that AWS documents: invocations come by HTTP on port 8080, and the runtime asks for them on
``AWS_LAMBDA_RUNTIME_API``. Standard library only, for it is copied into an image.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API = "127.0.0.1:9001"
PAYLOAD_BYTES = 6 * 1024 * 1024 + 100
INVOKE = "/2015-03-31/functions/function/invocations"


class Runtime:
    """The process that runs the handler: started when needed, ended when it takes too long."""

    def __init__(self) -> None:
        self.seconds = float(os.environ.get("AWS_LAMBDA_FUNCTION_TIMEOUT", "3"))
        self.memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        self.waiting: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self.answers: queue.Queue[bytes] = queue.Queue()
        self.process: subprocess.Popen[bytes] | None = None
        self.one = threading.Lock()

    def invoke(self, request: str, payload: bytes) -> bytes:
        """Run one invocation, as Lambda does: one at a time for each instance.

        The log has the caller's name of it: ministack reads there what it else asks the engine for, once a second.
        """
        with self.one:
            if len(payload) > PAYLOAD_BYTES:
                return fault("RequestEntityTooLarge", f"payload of {len(payload)} bytes exceeds {PAYLOAD_BYTES}")
            began = time.time()
            print(f"START RequestId: {request} Version: $LATEST", flush=True)
            self.start()
            self.waiting.put((request, payload, began + self.seconds))
            answer = self.wait(request, began + self.seconds)
            took = (time.time() - began) * 1000
            print(f"END RequestId: {request}")
            print(
                f"REPORT RequestId: {request}\tDuration: {took:.2f} ms\tBilled Duration: {int(took) + 1} ms\t"
                f"Memory Size: {self.memory} MB\tMax Memory Used: {self.memory} MB\t",
                flush=True,
            )
            return answer

    def start(self) -> None:
        """Start the runtime unless it runs; what an earlier one left is forgotten."""
        if self.process is None or self.process.poll() is not None:
            self.waiting, self.answers = queue.Queue(), queue.Queue()
            environ = {**os.environ, "AWS_LAMBDA_RUNTIME_API": API, "_HANDLER": sys.argv[1] if sys.argv[1:] else ""}
            self.process = subprocess.Popen(["/var/runtime/bootstrap"], env=environ, cwd="/var/task")

    def wait(self, request: str, end: float) -> bytes:
        """Wait for the answer, for the end of the time, or for the end of the process."""
        assert self.process is not None
        while True:
            try:
                return self.answers.get(timeout=0.02)
            except queue.Empty:
                pass
            code = self.process.poll()
            if code is not None:
                with contextlib.suppress(queue.Empty):  # it answered, and ended at once
                    return self.answers.get_nowait()
                how = f"signal: {str(signal.strsignal(-code)).lower()}" if code < 0 else f"exit status {code}"
                return fault("Runtime.ExitError", f"RequestId: {request} Error: Runtime exited with error: {how}")
            if time.time() > end:
                self.process.kill()
                self.process.wait()
                return fault(
                    "Sandbox.Timedout", f"RequestId: {request} Error: Task timed out after {self.seconds:.2f} seconds"
                )


def fault(kind: str, message: str) -> bytes:
    """Give what Lambda answers for a function that did not end by itself."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class Handler(BaseHTTPRequestHandler):
    """Both protocols; which one is told by the path."""

    protocol_version = "HTTP/1.1"
    runtime: Runtime

    def do_GET(self) -> None:
        """Give the runtime its next invocation."""
        request, payload, end = self.runtime.waiting.get()
        name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function")
        self.answer(
            payload,
            {
                "Lambda-Runtime-Aws-Request-Id": request,
                "Lambda-Runtime-Deadline-Ms": str(int(end * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
            },
        )

    def do_POST(self) -> None:
        """Take an invocation, or the runtime's answer to one."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == INVOKE:
            request = self.headers.get("X-Amzn-RequestId") or str(uuid.uuid4())
            answer = self.runtime.invoke(request, body)
            self.answer(answer, {})
            return
        if self.path.endswith("/response") and len(body) > PAYLOAD_BYTES:
            body = fault("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size")
        self.runtime.answers.put(body)
        self.answer(b"{}", {}, 202)

    def answer(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        """Answer in JSON. Without a type of content Amazon's runtime client crashes."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: what is printed is the function's log."""


def main() -> None:
    """Serve until killed."""
    Handler.runtime = Runtime()
    runtime_api = ThreadingHTTPServer(("127.0.0.1", 9001), Handler)
    threading.Thread(target=runtime_api.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()


if __name__ == "__main__":
    main()
