"""A process for a plugin costs a fork, and is like a new one: it has nothing of the one before, and all of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.functions.child import FORKS, Child, talking
from dativo_ingest.functions.forks import Forks
from dativo_ingest.model import PluginRef
from dativo_ingest.worker.client import Doing
from tests.waiting import until

CHECK = Doing(verb="check")
PLUGIN = """
import atexit, ctypes, gc, os, random, signal, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from dativo_ingest.model import CheckResult

class Reader:
    def __init__(self, source): self.how = source.get("how")
    def discover(self): pass
    def split(self, stream, since): pass
    def read(self, stream, unit): pass
    def position(self, unit): return 0
    def reached(self, window): return None
    def check(self): return CheckResult(name="seen", passed=True, details={"seen": getattr(self, self.how)()})

    def spoil(self):
        seen = self.look()
        os.environ["SPOILED"] = sys.spoiled = tempfile.tempdir = "spoiled"
        self.held = os.memfd_create("spoiled")
        return {**seen, "child": subprocess.Popen(["sleep", "600"]).pid}

    def look(self):
        new = {id(each) for each in gc.get_objects()}  # what was there before the fork is not among them
        needed = [name for name in sys.modules if name.partition(".")[0] in {"dativo_ingest", "pyarrow"}]
        held = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")[:-1]}
        return {
            "environ": dict(os.environ),
            "folders": [os.getcwd(), tempfile.gettempdir()],
            "spoiled": hasattr(sys, "spoiled"),
            "held": sorted(what.partition(":")[0] for what in held.values()),
            "imported late": [name for name in needed if id(sys.modules[name]) in new],
            "chance": [random.random(), np.random.random()],
            "leads its group": os.getpgrp() == os.getpid(),
        }

    def work(self):
        table = pa.table({"k": [1, 2] * 50_000, "v": np.arange(100_000)})
        sums = table.group_by("k", use_threads=True).aggregate([("v", "sum")])["v_sum"].to_pylist()
        with ThreadPoolExecutor(4) as pool:
            squares = list(pool.map(lambda n: n * n, range(4)))
        return [sums, squares, (np.ones((300, 300)) @ np.ones((300, 300)))[0, 0]]

    def speak(self):
        atexit.register(print, "at the end")
        threading.Thread(target=lambda: (time.sleep(0.2), print("by a thread"))).start()
        ctypes.CDLL(None).printf(b"by a library")

    def flee(self):
        os.setpgid(0, os.getpgid(os.getppid()))
        threading.Thread(target=time.sleep, args=(600,)).start()

    def orphan(self):
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(3)
"""


@pytest.fixture
def run(tmp_path):
    """Let a plugin do something in a process of its own; gives what it saw, and the process when it is over."""
    (tmp_path / "shop.py").write_text(PLUGIN)
    plugin = PluginRef(path=str(tmp_path / "shop.py"), name="Reader")

    def once(how, number=0):
        folder = tmp_path / f"private-{number}"
        folder.mkdir()
        child = Child(folder, {})
        try:
            with talking(child) as session:
                child.open("reader", plugin, {"source": {"type": "custom", "how": how}, "stream": {"name": "s"}}, 20)
                return session.call(CHECK)["details"]["seen"], child
        finally:
            child.end()

    return once


def test_a_process_has_what_a_new_one_would_have_and_nothing_of_the_one_before(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WHAT_IS_TRUE", "in the first")
    first, _ = run("spoil")
    monkeypatch.setenv("WHAT_IS_TRUE", "now")
    second, child = run("look", 1)
    assert second["environ"] == {**os.environ, "TMPDIR": str(tmp_path / "private-1")}
    assert second["folders"] == [str(tmp_path / "private-1")] * 2
    assert second["held"] == ["/dev/null", "pipe", "pipe", "socket"]
    assert second["imported late"] == []
    assert all(one != other for one, other in zip(first["chance"], second["chance"], strict=True))
    assert (first["leads its group"], second["leads its group"], second["spoiled"]) == (True, True, False)
    assert child.peak_mb > 0


def test_what_a_plugin_started_ends_with_it(run):
    seen, _ = run("spoil")
    until(lambda: is_over(seen["child"]), 30)


def test_threads_of_libraries_work_after_a_fork_and_side_by_side(run):
    with ThreadPoolExecutor(3) as pool:
        saw = [seen for seen, _ in pool.map(lambda number: run("work", number), range(3))]
    assert saw == [[[2499950000, 2500000000], [0, 1, 4, 9], 300.0]] * 3


def test_a_plugin_that_left_its_group_and_does_not_end_is_killed(run, monkeypatch):
    monkeypatch.setattr("dativo_ingest.functions.child.CLOSE_SECONDS", 0.1)
    _, child = run("flee")
    assert child.process.wait().status == -signal.SIGKILL


def test_all_that_is_printed_until_the_very_end_is_heard(run, monkeypatch):
    monkeypatch.setattr("dativo_ingest.functions.child.CLOSE_SECONDS", 60)
    _, child = run("speak")
    assert {record["message"] for record in child.records.kept} == {"by a thread", "at the end", "by a library"}


def test_without_the_process_that_forked_it_a_plugin_is_killed_and_the_next_call_works(run):
    with pytest.raises(SandboxError, match="killed"):
        run("orphan")
    assert run("work", 1)[0][1] == [0, 1, 4, 9]


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere"])
def test_a_process_that_cannot_be_started_is_told(monkeypatch, tmp_path, program):
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(SandboxError, match="more memory"):
        Forks().fork(tmp_path, {}, 1, 2)


def test_what_cannot_be_asked_is_an_error_and_waits_for_nobody(tmp_path):
    with pytest.raises(SandboxError, match="no process can be started"):
        Forks().fork(tmp_path, {"LONG": "x" * 1024 * 1024}, 1, 2)


def test_a_process_of_which_nobody_was_told_shares_its_connection_with_no_other(run):
    run("look")
    forker = FORKS._forker
    forker._control.shutdown(socket.SHUT_RD)  # it forks, and dies of not being heard
    with pytest.raises(SandboxError, match="no process can be started"):
        run("look", 1)
    until(lambda: not members(forker._process.pid), 30)
    assert run("work", 2)[0][1] == [0, 1, 4, 9]


HOST = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from dativo_ingest.functions.child import FORKS
FORKS.start()
os.fork()  # as servers of functions do
FORKS.start()
os.write(1, f"{FORKS._forker._process.pid}\\n".encode())
time.sleep(600)
"""


def test_each_process_of_a_server_has_its_own_to_fork_from_and_takes_it_along():
    root = str(Path(__file__).parents[4])
    command = [sys.executable, "-c", HOST, root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as server:
        one, other = (int(server.stdout.readline()) for _ in range(2))
        os.killpg(server.pid, signal.SIGKILL)
    assert one != other
    until(lambda: is_over(one) and is_over(other), 30)


def members(session):
    """Give the processes of a session that live."""
    found = [stat_of(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [stat for stat in found if stat and stat[0] != "Z" and int(stat[3]) == session]


def is_over(pid):
    stat = stat_of(pid)
    return not stat or stat[0] == "Z"


def stat_of(pid):
    """Give what the kernel says of a process, from its state on; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
