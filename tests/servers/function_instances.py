"""What a Cloud Function runs in: the real functions-framework, in a session and an environment of its own.

The packages are those of the test's interpreter; a function's own files come before them.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.servers.process import free_port

LARGEST_BYTES = 32 * 1024 * 1024
"""Of a request, and of an answer."""
Answer = tuple[int, bytes, str]
"""Status, body and the header Retry-After."""
_START_SECONDS = 60
_LOOK_SECONDS = 0.02
_LOG_TAIL = 4_000
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
class Starter:
    """Starts and ends the processes of instances. ``owner`` is the thread that does: the kernel ends them with it."""

    log: Path
    owner: ThreadPoolExecutor

    def start(self, folder: Path, log: Path, environment: Mapping[str, str], entry: str) -> tuple[int, int]:
        """Start an instance, and wait until it listens; gives its process and its port.

        Raises:
            BuildFailed: It ended, or does not listen.
        """
        port = free_port()
        home = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": str(folder)}
        given = {**home, **environment, "FUNCTION_TARGET": entry, "PORT": str(port)}
        arguments = ["--source", str(folder / "main.py"), "--host", "127.0.0.1"]
        process = self._ask(verb="start", folder=str(folder), log=str(log), environment=given, arguments=arguments)
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if self._ask(verb="ended", process=process) or time.monotonic() > deadline:
                self.stop(process)
                raise BuildFailed(f"Build failed: the function does not start: {log.read_text()[-_LOG_TAIL:]}")
            time.sleep(_LOOK_SECONDS)
        return process, port

    def stop(self, process: int) -> None:
        """End an instance."""
        self._ask(verb="stop", process=process)

    def close(self) -> None:
        """End all of them."""
        if "_program" in self.__dict__:
            self._program.kill()
            self._program.communicate()

    def _ask(self, **request: Any) -> Any:
        program = self._program
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(f"{json.dumps(request)}\n".encode())
        program.stdin.flush()
        return json.loads(program.stdout.readline())

    @cached_property
    def _program(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, Path(__file__).with_name("function_forks.py")],
                stdin=pipe,
                stdout=pipe,
                stderr=log,
            )


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@dataclass
class Instance:
    """One function that runs.

    Attributes:
        calls: How many requests reached it.
    """

    starter: Starter
    folder: Path
    entry: str
    environment: Mapping[str, str]
    seconds: float
    process: int = 0
    port: int = 0
    dead: bool = False
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the process, and wait until it listens. Called in the owner's thread, as `stop`."""
        self.stop()
        log = self.folder.with_suffix(".log")
        self.process, self.port = self.starter.start(self.folder, log, self.environment, self.entry)
        self.dead = False

    def stop(self) -> None:
        """End the process."""
        if self.process:
            self.starter.stop(self.process)
            self.process = 0

    def call(self, body: bytes, content_type: str) -> Answer:
        """Answer one request, with the limits of the platform."""
        if len(body) > LARGEST_BYTES:
            return 413, b"Request Entity Too Large", ""
        self._revive()
        self.calls += 1
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
                self.starter.owner.submit(self.start).result()
