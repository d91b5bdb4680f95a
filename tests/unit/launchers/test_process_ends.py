"""What a plugin does to its child process stays there, and no child outlives who needs it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_dagster.launchers import process
from dativo_dagster.launchers.process.child import Child
from dativo_dagster.telemetry import Redactor
from dativo_ingest.exceptions import PluginError, SandboxError
from dativo_ingest.model import DataFile
from tests.fakes.children import (
    LIMITS,
    PLUGIN,
    READER,
    ROOT,
    STREAM,
    UNIT,
    WRITER,
    opened,
    read_all,
    reader_config,
    workers,
    writer_config,
    writing,
)
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("no_child_left")


ENDS = [
    ("segfault", {}, PluginError, "PLUGIN_CRASHED", "SIGSEGV", False),
    ("abort", {}, PluginError, "PLUGIN_CRASHED", "SIGABRT", False),
    ("exit", {}, PluginError, "PLUGIN_CRASHED", "status 0", False),
    ("sys.exit", {}, PluginError, None, "SystemExit", False),
    ("grandchild", {}, PluginError, "PLUGIN_CRASHED", "SIGSEGV", False),
    ("killed", {}, SandboxError, "PLUGIN_KILLED", "SIGKILL", True),
    ("signal of real time", {}, PluginError, "PLUGIN_CRASHED", "signal 40", False),
    ("hang", {"idle_seconds": 1.5}, SandboxError, "PLUGIN_HUNG", "idle_seconds = 1.5", True),
    ("hang outside Python", {"idle_seconds": 1.5}, SandboxError, "PLUGIN_HUNG", "idle_seconds = 1.5", True),
    ("ignores SIGTERM", {"idle_seconds": 1.5}, SandboxError, "PLUGIN_HUNG", "idle_seconds = 1.5", True),
    ("endless", {"timeout_seconds": 2}, SandboxError, "PLUGIN_TIMEOUT", "timeout_seconds = 2", False),
    ("grow", {}, SandboxError, "PLUGIN_OUT_OF_MEMORY", "memory_mb = 400", False),
    ("one allocation", {}, SandboxError, "PLUGIN_OUT_OF_MEMORY", "memory", False),
    ("print", {}, SandboxError, "STDOUT_FLOOD", "output_mb = 1", False),
    ("log", {}, SandboxError, "STDOUT_FLOOD", "output_mb = 1", False),
    ("no frame", {}, SandboxError, "WIRE_BROKEN", "no frame", False),
]


@pytest.mark.parametrize(("fault", "limits", "error", "code", "said", "retryable"), ENDS, ids=[e[0] for e in ENDS])
def test_a_fault_ends_the_child_and_is_an_error_that_says_what_happened_and_where(
    fault, limits, error, code, said, retryable
):
    with opened(LIMITS.model_copy(update=limits), fault=fault) as reader:
        batches = reader.read(STREAM, UNIT)
        rows = [next(batches).num_rows for _ in range(3)]
        with pytest.raises(PluginError) as raised:
            for _ in batches:
                pass
        found = raised.value
        assert rows == [2, 2, 2]
        assert (type(found), found.retryable) == (error, retryable)
        assert code in {None, found.error_code}
        assert said in found.message
        assert str(READER) in found.message
        assert "orders" in found.message
        assert {k: found.details[k] for k in ("plugin", "verb")} == {
            "plugin": str(READER),
            "verb": found.details["verb"],
        }
        assert reader.check().name == "connection"


@pytest.mark.parametrize("fault", ["segfault", "hang", "grow"])
def test_a_fault_of_a_writer_ends_its_child_and_what_it_left_can_be_removed(fault, tmp_path):
    limits = LIMITS.model_copy(update={"idle_seconds": 1.5})
    batches = [pa.record_batch({"a": [1]})] * 100
    with process.Launcher(limits).writer(WRITER, writer_config(fault=fault)) as writer:
        with pytest.raises(PluginError) as raised:
            writer.write(batches, f"{tmp_path}/", "one")
        assert raised.value.details["verb"] == "write"
        writer.abort([DataFile(path=str(tmp_path / "one"), rows=1, bytes=1)])
        assert (tmp_path / "one.aborted").exists()


def test_a_worker_that_answered_nonsense_is_not_asked_again():
    with writing(commits=False, fault="odd files") as writer:
        with pytest.raises(SandboxError) as raised:
            writer.write(iter([pa.record_batch({"a": [1]})]), "/tmp/", "one")
        assert raised.value.error_code == "WIRE_BROKEN"
        assert writer.check().passed


def test_the_message_of_a_crash_has_the_line_of_the_plugin():
    with opened(fault="segfault") as reader, pytest.raises(PluginError) as raised:
        read_all(reader)
    assert f'File "{PLUGIN}", line' in raised.value.message
    assert raised.value.details["signal"] == "SIGSEGV"


def test_a_plugin_that_never_opens_is_ended():
    with (
        pytest.raises(SandboxError, match=r"start_seconds = 0\.5") as raised,
        opened(LIMITS.model_copy(update={"start_seconds": 0.5}), slow_start=True),
    ):
        pass
    assert raised.value.error_code == "PLUGIN_TIMEOUT"


def test_a_slow_host_is_no_reason_to_end_a_plugin():
    with opened(LIMITS.model_copy(update={"idle_seconds": 1.5})) as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
        time.sleep(2)
        assert sum(1 for _ in batches) == 2


def test_a_read_that_is_broken_off_ends_a_plugin_that_goes_on_logging():
    with opened(fault="log now and then") as reader:
        rows = reader.read(STREAM, UNIT)
        for _ in range(3):
            next(rows)
        rows.close()
        assert workers() == set()


def test_a_read_that_is_broken_off_lets_the_plugin_clean_up_and_ends_its_child(tmp_path, monkeypatch):
    monkeypatch.setattr("dativo_ingest.worker.client.CANCEL_SECONDS", 60)
    end = tmp_path / "end"
    with opened(fault="wait", until=str(end)) as reader:
        batches = reader.read(STREAM, UNIT)
        for _ in range(5):
            next(batches)
        batches.close()
        assert (tmp_path / "end.closed").exists()
        assert workers() == set()


@pytest.mark.parametrize(("way", "said"), [("crash", "status -11"), ("raise", "RuntimeError: cannot close")])
def test_a_plugin_that_does_not_close_well_is_heard_of_and_harms_nothing(way, said, caplog):
    with opened(on_close=way) as reader:
        assert len(read_all(reader)) == 3
    assert said in caplog.text


@pytest.mark.parametrize("fault", ["hang", "hang outside Python", "ignores SIGTERM", "endless"])
def test_an_interrupt_ends_the_child_whatever_it_does(fault):
    main = threading.main_thread().ident
    with opened(fault=fault) as reader:
        timer = threading.Timer(1.0, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            for _ in reader.read(STREAM, UNIT):
                pass
        interrupted = time.monotonic()
        timer.join()
        assert workers() == set()
    assert time.monotonic() - interrupted < 15


def test_a_read_that_nobody_finished_is_over_when_the_place_is_closed():
    with opened(fault="endless") as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
    assert workers() == set()
    with pytest.raises(SandboxError, match="closed") as raised:
        for _ in batches:
            pass
    assert raised.value.error_code == "CANCELLED"


def test_a_child_whose_end_another_thread_notices_meanwhile_is_struck_in_vain(monkeypatch):
    child = Child(READER, LIMITS, Redactor([]))
    child.end()
    with monkeypatch.context() as patch:
        patch.setattr(child.process, "returncode", None)  # as who strikes saw it a moment ago
        child.strike()


HOST = """
import sys, time
from dativo_dagster.launchers import process
from dativo_ingest.model import PluginRef, Stream, Unit
with process.Launcher(process.Config()).reader(PluginRef(path={path!r}, name="Reader"), {config!r}) as reader:
    for number, batch in enumerate(reader.read(Stream(name="orders"), Unit(id="all"))):
        if number == 2:
            print(open("/proc/self/task/%d/children" % __import__("os").getpid()).read(), flush=True)
"""


@pytest.mark.parametrize("fault", ["hang", "hang outside Python", "endless"])
def test_a_host_that_is_killed_takes_its_children_with_it(fault):
    code = HOST.format(path=str(PLUGIN), config=reader_config(fault=fault))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as host:
        child = int(host.stdout.readline())
        host.kill()
    until(lambda: _is_over(child), 60)


def _is_over(pid):
    """Say whether a process ended, though whoever adopted it may not have looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
