"""What a process holds of a disk though no folder shows it is counted, once, and nothing else is."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dativo_dagster.launchers.docker.held import first_process, held
from dativo_dagster.launchers.docker.shared import has_left

BYTES = 1 << 20
HOLDS = """
import ctypes, os, sys

def hold(name):
    out = open(name, "w+b")
    out.write(bytes(1 << 20))
    out.flush()
    os.unlink(name)
    return out

kept = open(sys.argv[1] + "/there", "w+b"), hold(sys.argv[1] + "/removed")
twice = os.dup(kept[1].fileno())
if sys.argv[2] == "libraries":
    mmap, page = ctypes.CDLL(None).mmap, (ctypes.c_size_t(4096), 1, 2, kept[0].fileno(), ctypes.c_long(0))
    for _ in range(60_000):
        mmap(None, *page)
if sys.argv[2] == "child" and os.fork() == 0:
    kept = hold(sys.argv[1] + "/removed by a child")
    print("holds", flush=True)
    sys.stdin.read()
    os._exit(0)
if sys.argv[2] != "child":
    print("holds", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("how", "files"), [("open", 1), ("child", 2), ("libraries", 1)])
def test_a_removed_file_counts_once_as_long_as_it_is_held(tmp_path, how, files):
    command = [sys.executable, "-c", HOLDS, str(tmp_path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"holds\n"
        (tmp_path / "there").write_bytes(bytes(BYTES))
        assert held(holder.pid, tmp_path.stat()) == files * BYTES
        assert held(holder.pid, Path("/proc").stat()) == 0, "another disk"
    assert held(holder.pid, tmp_path.stat()) == 0


def test_who_is_in_no_container_has_no_first_process():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert first_process(ours) == 0


def test_a_disk_that_tells_no_size_is_not_taken_for_a_full_one(tmp_path):
    assert has_left(tmp_path, 1)
    assert not has_left(tmp_path, 1 << 60)
    assert has_left(Path("/proc"), 1 << 60), "as one in memory without a limit"
