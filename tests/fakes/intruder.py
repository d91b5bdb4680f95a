"""A reader and a writer that attack the machine they run on, each as its options say."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import pickle
import signal
import socket
import stat
import struct
import threading
import time
from pathlib import Path

import pyarrow as pa

from dativo_ingest import BaseReader
from dativo_ingest.model import CheckResult, DataFile

CGROUPS = ("/sys/fs/cgroup/cpu/cpu.stat", "/sys/fs/cgroup/cpu.stat")
"""Where the kernel counts how often it held a container back: versions 1 and 2."""


def held_back():
    """Count how often the kernel held this container back."""
    (counted,) = [Path(path).read_text() for path in CGROUPS if Path(path).exists()]
    return int(dict(line.split() for line in counted.splitlines())["nr_throttled"])


def connect_to_loopback(facts):
    socket.create_connection(("127.0.0.1", facts["port"]), 2).close()


def connect_to_metadata(facts):
    socket.create_connection(("169.254.169.254", 80), 2).close()


def list_the_files_of_another_job(facts):
    list(Path(facts["other"]).iterdir())


def list_the_rooms_of_others(facts):
    assert list(Path("/tmp").glob("dativo-place-*"))


def find_the_secret(facts):
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if facts["secret"].encode() in path.read_bytes():
                return
    raise AssertionError


def leave_a_file_beside_the_socket(facts):
    Path("/io/left-behind").write_text("x")


def take_the_socket_away(facts):
    Path("/io/worker.sock").unlink()


def connect_a_second_time(facts):
    with socket.socket(socket.AF_UNIX) as again:
        again.connect("/io/worker.sock")


def ask_the_engine(facts):
    with socket.socket(socket.AF_UNIX) as engine:
        engine.connect("/var/run/docker.sock")


def change_its_own_code(facts):
    Path("/plugin/intruder.py").write_text("x")


def signal_the_host(facts):
    os.kill(os.getppid() if os.getppid() > 1 else 2**22 - 1, 0)
    raise PermissionError("only its own init is above it")


def read_the_disk_of_the_host(facts):
    names = [path for path in Path("/dev").iterdir() if stat.S_ISBLK(path.stat().st_mode)]
    names[0].open("rb").close()


ATTACKS = (
    connect_to_loopback, connect_to_metadata, list_the_files_of_another_job, list_the_rooms_of_others, find_the_secret,
    leave_a_file_beside_the_socket, take_the_socket_away, connect_a_second_time, ask_the_engine, change_its_own_code,
    signal_the_host, read_the_disk_of_the_host,
)  # fmt: skip


def outcome(attack, facts):
    """Try one attack."""
    try:
        attack(facts)
    except (AssertionError, IndexError, OSError) as error:
        return f"refused: {type(error).__name__}: {error}"
    return "worked"


def refused(make):
    """Tell whether the system refuses something."""
    try:
        make()
    except OSError:
        return True
    return False


def line():
    """Give the socket over which the worker speaks."""
    numbers = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            numbers += [int(path.name)] if str(path.readlink()).startswith("socket:") else []
    return min(numbers)


def frame(header, payload=b""):
    """Give a frame as the worker would send it."""
    text = json.dumps(header).encode()
    return struct.pack("<4sIQ", b"DTV1", len(text), len(payload)) + text + payload


class Reader(BaseReader):
    """Does one thing, and gives a row where that does not end it."""

    def extract(self, state_manager=None):
        """Read."""
        self.facts = self.source_config.connection
        yield from getattr(self, self.facts["do"])() or ()

    def rows(self):
        yield pa.record_batch({"id": [1]})
        time.sleep(600)

    def try_all(self):
        yield [{"attack": attack.__name__, "outcome": outcome(attack, self.facts)} for attack in ATTACKS]

    def flood(self):
        while True:
            print("y" * 1000)

    def speak_nonsense(self):
        os.write(line(), b"this is no frame of anybody's")
        time.sleep(600)

    def tell_of_a_huge_frame(self):
        os.write(line(), struct.pack("<4sIQ", b"DTV1", 2, 2**62) + b"{}")
        time.sleep(600)

    def tell_of_more_than_its_memory(self):
        os.write(line(), struct.pack("<4sIQ", b"DTV1", 2, (128 << 20) + 1) + b"{}")
        time.sleep(600)

    def answer_with_millions_of_lists(self):
        socket.socket(fileno=os.dup(line())).sendall(frame({"op": "result", "value": [[]] * 2_000_001}))
        time.sleep(600)

    def send_nulls_without_end(self):
        rows = pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.null(), 2**31 - 1, [None])], ["id"])
        with pa.ipc.new_stream(sink := pa.BufferOutputStream(), rows.schema) as writer:
            writer.write_batch(rows)
        os.write(line(), frame({"op": "batch", "position": 1}, sink.getvalue().to_pybytes()))
        time.sleep(600)

    def answer_for_the_worker(self):
        os.write(line(), frame({"op": "batch", "position": {"no": "number"}}))
        time.sleep(600)

    def send_a_pickle_for_a_batch(self):
        os.write(line(), frame({"op": "batch", "position": 1}, pickle.dumps({"a": 1})))
        time.sleep(600)

    def ignore_the_end(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            ctypes.CDLL(None).signal(number, ctypes.c_void_p(int(signal.SIG_IGN)))
        threading.Thread(target=time.sleep, args=(600,)).start()
        time.sleep(600)

    def ignore_the_end_after_a_row(self):
        yield pa.record_batch({"id": [1]})
        self.ignore_the_end()

    def eat(self):
        kept = []
        while True:
            kept.append(b"x" * (1 << 22))

    def eat_in_a_child(self):
        if os.fork() == 0:
            self.eat()
        os.wait()
        os._exit(0)

    def fork_and_spin(self):
        forks = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(600)
                    os._exit(0)
                forks += 1
        except OSError:
            pass
        end = time.monotonic() + 45
        while not held_back() and time.monotonic() < end:
            pass  # where others want the processors, too, it may take a while to get more than its part
        yield [{"forks": forks, "throttled": held_back()}]


class Writer:
    """Lays one thing down, and tells of it as of a file."""

    commits = False

    def __init__(self, asset, target, output_base):
        self.facts = target.engine["options"]

    def check(self):
        """Answer."""
        return CheckResult(name="connection", passed=True)

    def write(self, batches, base, name):
        """Write."""
        list(batches)
        path = Path(base.removeprefix("file://"), name + ".parquet")
        told = getattr(self, self.facts["lay"])(path)
        return [DataFile(path=told or str(path), rows=1, bytes=self.facts.get("size") or path.stat().st_size)]

    def link(self, path):
        path.symlink_to(self.facts["secret"])

    def link_to_folder(self, path):
        path.with_name("sub").symlink_to(Path(self.facts["secret"]).parent)
        return str(path.with_name("sub") / "secret")

    def socket(self, path):
        socket.socket(socket.AF_UNIX).bind(str(path))

    def folder(self, path):
        path.mkdir()

    def shorter(self, path):
        path.write_bytes(b"x")

    def not_there(self, path):
        return str(path)

    def text_for_a_path(self, path):
        return "/io/out/\0/etc/shadow"

    def fill(self, path):
        with path.open("wb") as out:
            while True:
                out.write(bytes(1 << 20))

    def sparse(self, path):
        path.touch()
        os.truncate(path, 1 << 40)
        time.sleep(600)

    def unlinked(self, path):
        with path.open("wb") as out:
            path.unlink()
            out.write(bytes(16 << 20))
            out.flush()
            time.sleep(600)

    def mapped(self, path):
        with path.open("w+b") as out:
            path.unlink()
            out.write(bytes(16 << 20))
            out.flush()
            self.kept = mmap.mmap(out.fileno(), mmap.PAGESIZE)
            os.dup2(0, out.fileno())
        time.sleep(600)

    def hang(self, path):
        time.sleep(600)

    def many(self, path):
        for number in range(40_000):
            path.with_name(str(number)).touch()
        time.sleep(600)

    def deep(self, path):
        os.chdir(path.parent)
        for _ in range(64):
            Path("a").mkdir()
            os.chdir("a")
        time.sleep(600)

    def honest(self, path):
        disk, pipe, second = (path.with_name(name) for name in ("disk", "pipe", "second"))
        made = [
            refused(lambda: os.mkfifo(pipe)),
            refused(lambda: os.mknod(disk, stat.S_IFBLK | 0o600, os.makedev(8, 0))),
            refused(lambda: os.link("/etc/passwd", second)),
        ]
        path.write_text(f"refused: {made}")
        path.chmod(0o6755)

    def commit(self, token, files):
        """Say that it is done."""
        return {}

    def abort(self, files):
        """Leave all as it is."""
