"""The hostile plugin in child processes, and the children that this process has: none may outlive its test."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

from dativo_dagster.launchers import process
from dativo_ingest.model import PluginRef, Stream, Unit
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PLUGIN = Path(__file__).with_name("hostile.py")
READER = PluginRef(path=str(PLUGIN), name="Reader")
WRITER = PluginRef(path=str(PLUGIN), name="Writer")
STREAM = Stream(name="orders")
UNIT = Unit(id="all")
SECRET = "sk-canary-93151"
LIMITS = process.Config(memory_mb=400, idle_seconds=60, output_mb=1)


def reader_config(**source):
    return {"source": {"credentials": {"api": SECRET}, **source}, "stream": STREAM.to_json()}


def writer_config(**target):
    return {"target": {"type": "custom", **target}, "asset": {"name": "orders"}, "output_base": "/tmp/x", "stream": {}}


def opened(limits=LIMITS, **source):
    return process.Launcher(limits).reader(READER, reader_config(**source))


def writing(**target):
    return process.Launcher(LIMITS).writer(WRITER, writer_config(**target))


def read_all(reader, unit=UNIT):
    return list(reader.read(STREAM, unit))


def workers() -> set[int]:
    """Give the workers that this process has, and any that ended and nobody waited for.

    Servers that fixtures started are nobody's leak.
    """
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if _is_worker(pid)}


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return not command or b"dativo_ingest.worker" in command  # a zombie has no command line
    return False


def open_files() -> set[str]:
    """Give each descriptor with what it is of: a socket or a pipe has a number of its own."""
    gc.collect()
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{link.name} {link.readlink()}")
    return {name for name in found if name.split()[1].startswith(("socket:", "pipe:", "/memfd", "/dev/shm"))}


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Hold a test to it: no process, no descriptor and no thread of it outlives it.

    What tests before it left may end meanwhile, and servers of fixtures answer others for a moment.
    """
    before = _open_now()
    yield
    with contextlib.suppress(AssertionError):
        until(lambda: _open_now() <= before, seconds=10)
    assert _open_now() - before == set()


def _open_now() -> set[object]:
    return {*open_files(), *workers(), *threading.enumerate()}
