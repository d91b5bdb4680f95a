"""What a process holds of a disk though no folder shows it is counted, once, and nothing else is."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dativo_dagster.launchers.docker.held import first_process, held

BYTES = 1 << 20
HOLDS = """
import os, sys

def hold(name):
    out = open(name, "w+b")
    out.write(bytes(1 << 20))
    out.flush()
    os.unlink(name)
    return out

kept = open(sys.argv[1] + "/there", "wb"), hold(sys.argv[1] + "/removed")
twice = os.dup(kept[1].fileno())
if sys.argv[2] == "child" and os.fork() == 0:
    kept = hold(sys.argv[1] + "/removed by a child")
    print("holds", flush=True)
    sys.stdin.read()
    os._exit(0)
if sys.argv[2] != "child":
    print("holds", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("how", "files"), [("open", 1), ("child", 2)])
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
