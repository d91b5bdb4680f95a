"""A cloud with one function: each invocation is a process of its own that runs `dativo_ingest.functions`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dativo_dagster.functions import faults
from dativo_dagster.functions.cloud import Answer, Limits
from dativo_dagster.functions.prices import lambda_price

_RUN = """
import json, sys, time
from pathlib import Path
from dativo_ingest.functions import handle
asked, end = json.loads(Path(sys.argv[1], "request").read_text()), time.monotonic() + float(sys.argv[2])
reply = handle(asked, remaining=lambda: end - time.monotonic(), package=Path(sys.argv[3]))
Path(sys.argv[1], "reply").write_text(json.dumps(reply))
"""


class ProcessCloud:
    """Implements `cloud.Functions`."""

    place, function = "test_cloud", "dativo-test"
    price = lambda_price("us-east-1", "x86_64")

    def __init__(self, package: Path, *, request_bytes: int = 6_000_000, seconds: float = 60) -> None:
        self.package = package
        self.limits = Limits(request_bytes=request_bytes, reply_bytes=6_000_000, seconds=seconds, memory_mb=512)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.requests: list[bytes] = []

    def invoke(self, payload: bytes, seconds: float) -> Answer:
        self.requests.append(payload)
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "request").write_bytes(payload)
            left = str(min(seconds, self.limits.seconds))
            command = [sys.executable, "-c", _RUN, folder, left, str(self.package)]
            root = str(Path(__file__).parents[2])
            process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root})
            self.processes.append(process)
            if process.wait():
                raise faults.crashed(self.function, f"status {process.returncode}")
            reply = Path(folder, "reply").read_bytes()
        return Answer(payload=reply, function=self.function, seconds=time.monotonic() - began)
