"""Clouds with one function, which runs `dativo_ingest.functions`: in this process, or in one for each invocation.

Its plugin is the hostile one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dativo_dagster.functions import faults
from dativo_dagster.functions.call import Deployed, Settings
from dativo_dagster.functions.cloud import Answer, Limits
from dativo_dagster.functions.prices import lambda_price
from dativo_dagster.storage import open_storage
from dativo_ingest.functions import handle
from dativo_ingest.model import PluginRef, Stream, Unit

FAKES = Path(__file__).parent
READER = PluginRef(path="hostile.py", name="Reader")
STREAM, UNIT = Stream(name="bestellungen-ä"), Unit(id="1")
SECRET = "sk-canary-55102"
SMALL = Settings(inline_bytes=0, piece_bytes=1)
_RUN = """
import json, sys, time
from pathlib import Path
from dativo_ingest.functions import handle
asked, end = json.loads(Path(sys.argv[1], "request").read_text()), time.monotonic() + float(sys.argv[2])
reply = handle(asked, remaining=lambda: end - time.monotonic(), package=Path(sys.argv[3]))
Path(sys.argv[1], "reply").write_text(json.dumps(reply))
"""


class Cloud:
    """Implements `cloud.Functions`; the instance is a thread of this process, and the plugin a child of it."""

    place, function = "test_cloud", "dativo-test"
    price = lambda_price("us-east-1", "x86_64")

    def __init__(self, package: Path, *, request_bytes: int = 6_000_000, seconds: float = 60) -> None:
        self.package = package
        self.limits = Limits(request_bytes=request_bytes, reply_bytes=6_000_000, seconds=seconds, memory_mb=512)
        self.requests: list[bytes] = []

    def invoke(self, payload: bytes) -> Answer:
        self.requests.append(payload)
        began = time.monotonic()
        reply = self.run(payload, self.limits.seconds)
        return Answer(payload=reply, function=self.function, seconds=time.monotonic() - began)

    def run(self, payload: bytes, seconds: float) -> bytes:
        end = time.monotonic() + seconds
        reply = handle(json.loads(payload), remaining=lambda: end - time.monotonic(), package=self.package)
        return json.dumps(reply).encode()


class ProcessCloud(Cloud):
    """Its instances are processes, which can be killed and which outlive this one."""

    def __init__(self, package: Path, **limits: float) -> None:
        super().__init__(package, **limits)
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, payload: bytes, seconds: float) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "request").write_bytes(payload)
            command = [sys.executable, "-c", _RUN, folder, str(seconds), str(self.package)]
            root = str(Path(__file__).parents[2])
            process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, start_new_session=True)
            self.processes.append(process)
            if process.wait():
                raise faults.crashed(self.function, f"status {process.returncode}")
            return Path(folder, "reply").read_bytes()


def deployed(staging, settings=SMALL, cloud=None, **source):
    config = {
        "source": {"credentials": {"api": SECRET}, **source},
        "stream": STREAM.to_json(),
        "tenant": "t",
        "job": "j",
    }
    functions = cloud or Cloud(FAKES)
    return Deployed(
        functions=functions, staging=staging, role="reader", plugin=READER, config=config, settings=settings
    )


def staged(staging) -> list[str]:
    return [file.path for file in open_storage(staging.url, staging.connection).list(staging.url)]


def arrived(staging) -> list[str]:
    return [path for path in staged(staging) if path.endswith(".arrow")]
