"""`dagster dev` as a user starts it: webserver, daemon and code server on a Dagster home of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import free_port, running

ROOT = Path(__file__).parents[2]
_LOADED = """{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {
    __typename ... on PythonError {message}}}}}}"""


@dataclass(frozen=True)
class DagsterUi:
    """A running UI."""

    url: str
    home: Path

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """Ask by GraphQL."""
        body = json.dumps({"query": text, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.loads(answer.read())["data"])


@contextlib.contextmanager
def serve(folder: Path, jobs: Path) -> Iterator[DagsterUi]:
    """Run the UI on a folder of jobs; what runs write by relative paths lands in ``folder``."""
    home = folder / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    env = {"DAGSTER_HOME": str(home), "DATIVO_JOBS": str(jobs), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    program = str(Path(sys.executable).with_name("dagster"))
    # Two processes that start on a fresh home at once can break it (dagster#27390).
    subprocess.run(
        [program, "instance", "info"], env={**os.environ, **env}, cwd=folder, check=True, capture_output=True
    )
    port = free_port()
    ui = DagsterUi(f"http://127.0.0.1:{port}", home)
    command = [program, "dev", "-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with running(
        command,
        folder / "dagster.log",
        ready=lambda: _loaded(ui),
        env={**env, **path},
        cwd=folder,
        timeout=120,
        stop=signal.SIGINT,
    ):
        yield ui


def _loaded(ui: DagsterUi) -> bool:
    entries = ui.query(_LOADED)["workspaceOrError"]["locationEntries"]
    states = [entry["locationOrLoadError"] for entry in entries]
    if errors := [state["message"] for state in states if state and state["__typename"] == "PythonError"]:
        raise RuntimeError(errors)
    return bool(states) and all(states)
