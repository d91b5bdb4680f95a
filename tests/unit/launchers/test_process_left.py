from __future__ import annotations

import os
import signal
import time

import pytest

from dativo_dagster.launchers.process import Config, Launcher
from dativo_dagster.workers import output
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.loader import plugin_ref
from dativo_ingest.model import Stream, Unit

PLUGIN = """
import os, time
from pathlib import Path
from dativo_ingest import BaseReader

class R(BaseReader):
    def __init__(self, source_config):
        super().__init__(source_config)
        told, tells = os.pipe()
        if os.fork() == 0:
            os.setsid()
            Path(source_config.connection["pid"]).write_text(str(os.getpid()))
            os.write(tells, b".")
            for _ in range(1200):
                time.sleep(0.05)
                os.write(1, source_config.connection["says"].encode())
            os._exit(0)
        os.read(told, 1)

    def extract(self, state_manager=None):
        time.sleep(60)
        yield []
"""


@pytest.fixture
def stranger(tmp_path):
    """The file in which a process that left the plugin's group writes its number."""
    file = tmp_path / "pid"
    yield file
    os.kill(int(file.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("says", ["", "still here\n"])
def test_a_process_that_left_the_plugins_group_does_not_keep_the_host_waiting(tmp_path, stranger, says, monkeypatch):
    monkeypatch.setattr(output, "REST_SECONDS", 1)
    (tmp_path / "r.py").write_text(PLUGIN)
    source = {"type": "custom", "connection": {"pid": str(stranger), "says": says}}
    opened = Launcher(Config(idle_seconds=1)).reader(plugin_ref("r.py:R", tmp_path), {"source": source})
    began = time.monotonic()
    with pytest.raises(SandboxError) as caught, opened as reader:
        list(reader.read(Stream(name="s"), Unit(id="all")))
    assert caught.value.error_code == "PLUGIN_HUNG"
    assert time.monotonic() - began < 30, "and not the minute that the other process lives"
