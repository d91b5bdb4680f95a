"""What a Cloud Function runs in: the real functions-framework, in a process group and an environment of its own.

The packages are those of the test's interpreter; a function's own files come before them.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import re
import socket
import sys
import threading
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.process import free_port, running

LARGEST_BYTES = 32 * 1024 * 1024
"""Of a request, and of an answer."""
Answer = tuple[int, bytes, str]
"""Status, body and the header Retry-After."""
_START_SECONDS = 30
_NAME = re.compile(r"^([A-Za-z0-9._-]+)")


class BuildFailed(Exception):  # noqa: N818 - an outcome of a deployment
    """The source is no function."""


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a source and look at it as the build would.

    Raises:
        BuildFailed: There is no main.py, or a requirement cannot be installed.
    """
    file = folder.with_suffix(".zip")
    file.write_bytes(archive)
    try:
        with zipfile.ZipFile(file) as source:
            source.extractall(folder)
    except zipfile.BadZipFile as error:
        raise BuildFailed(f"Build failed: the source is no zip file: {error}") from error
    if not (folder / "main.py").is_file():
        raise BuildFailed("Build failed: missing main.py and GOOGLE_FUNCTION_SOURCE not specified")
    wanted = folder / "requirements.txt"
    for line in wanted.read_text().splitlines() if wanted.exists() else ():
        if (name := _NAME.match(line.strip())) and not _installed(name[1]):
            raise BuildFailed(f"Build failed: ERROR: No matching distribution found for {line.strip()}")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@dataclass
class Instance:
    """One function that runs. ``owner`` starts the processes: the kernel ends them with the thread that did."""

    folder: Path
    entry: str
    environment: Mapping[str, str]
    owner: ThreadPoolExecutor
    seconds: float
    port: int = 0
    starts: int = 0
    dead: bool = False
    stack: ExitStack = field(default_factory=ExitStack)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder.with_suffix(".log")

    def start(self) -> None:
        """Start the process, and wait until it listens. Called in the owner's thread."""
        self.stack.close()
        self.port = free_port()
        self.starts += 1
        self.dead = False
        given = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": str(self.folder), **self.environment}
        given |= {"FUNCTION_TARGET": self.entry, "PORT": str(self.port)}
        self.stack.enter_context(
            running(
                [
                    *("env", "-i", *(f"{name}={value}" for name, value in given.items())),
                    *(sys.executable, "-m", "functions_framework", "--source", str(self.folder / "main.py")),
                    *("--target", self.entry, "--host", "127.0.0.1", "--port", str(self.port)),
                ],
                self.log,
                ready=self._listens,
                cwd=self.folder,
                timeout=_START_SECONDS,
            )
        )

    def _listens(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5):
            pass

    def stop(self) -> None:
        """End the process."""
        self.stack.close()

    def call(self, body: bytes, content_type: str) -> Answer:
        """Answer one request, with the limits of the platform."""
        if len(body) > LARGEST_BYTES:
            return 413, b"Request Entity Too Large", ""
        self._revive()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.seconds)
        try:
            connection.request("POST", "/", body, {"Content-Type": content_type})
            answer = connection.getresponse()
            content = answer.read(LARGEST_BYTES + 1)
        except TimeoutError:
            return 504, b"upstream request timeout", ""
        except (OSError, http.client.HTTPException):
            self.dead = True
            return 503, b"The request failed because the connection to the instance had an error.", ""
        finally:
            connection.close()
        if len(content) > LARGEST_BYTES:
            return 500, b"Response size was too large. Please consider reducing response size.", ""
        return answer.status, content, answer.headers.get("Retry-After", "")

    def _revive(self) -> None:
        with self.lock:
            if self.dead:
                self.owner.submit(self.start).result()
