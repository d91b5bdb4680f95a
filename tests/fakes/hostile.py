"""A reader and a writer that misbehave as they are told, in the words of ``source.fault`` and ``target.fault``."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pyarrow as pa

from dativo_ingest.exceptions import RateLimitError
from dativo_ingest.model import CheckResult, Cursor, DataFile, Stream, Unit, Window

BATCH = pa.record_batch({"a": pa.array([1, 2])})


def segfault():
    ctypes.string_at(0)


def grow():
    kept = []
    while True:
        kept.append(b"x" * (1 << 24))


def say(line):
    while True:
        print(line * 100)


def log():
    while True:
        logging.getLogger("shop").warning("y" * 1000)


def log_now_and_then():
    while True:
        logging.getLogger("shop").warning("still here")
        time.sleep(0.05)


def hang():
    while True:
        pass


def hang_outside_python():
    ctypes.CDLL(None).sleep(1000)


def write_into_every_pipe():
    for number in range(3, 4096):  # a child's socket has the number that it had in a host with many files open
        with contextlib.suppress(OSError):
            os.write(number, b"this is no frame of anybody's")
    hang()


def leave_a_grandchild():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    segfault()


def ignore_the_end():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=hang).start()
    hang()


def raise_whole():
    raise RateLimitError("slow down", retry_after=30, details={"calls": 5})


def tell_a_secret(source):
    print("connecting with", source.credentials["api"])
    logging.getLogger("shop").warning("key %s", source.credentials["api"])
    raise ValueError("refused: " + source.credentials["api"])


FAULTS = {
    "segfault": segfault,
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "long line": lambda: (os.write(1, b"x" * 3000 + b"\n"), os._exit(0)),
    "sys.exit": lambda: sys.exit(3),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "signal of real time": lambda: os.kill(os.getpid(), signal.SIGRTMIN + 6),
    "hang": hang,
    "hang outside Python": hang_outside_python,
    "grow": grow,
    "one allocation": lambda: b"x" * (1 << 40),
    "print": lambda: say("y"),
    "log": log,
    "log now and then": log_now_and_then,
    "no frame": write_into_every_pipe,
    "grandchild": leave_a_grandchild,
    "ignores SIGTERM": ignore_the_end,
    "raise": raise_whole,
}
OTHER_FAULTS = ("endless", "secret", "large batch", "schemas", "odd cursor", "odd files")
"""What needs more than a call."""


class Reader:
    """Gives three batches of two rows, and then does what it is told."""

    def __init__(self, source):
        self.source = source
        self.repeatable = source.get("repeatable")
        self.reads = 0
        if source.get("slow_start"):
            time.sleep(1000)
        if source.get("broken_start"):
            raise RuntimeError("no such shop")

    def check(self):
        if message := self.source.get("say"):
            print(message)
            logging.getLogger("shop").warning("logged %s", message)
            logging.getLogger("shop").debug("not of interest")
            warnings.warn("deprecated thing", stacklevel=1)
        details = {"pid": os.getpid(), "path": Path("/shop")}
        return CheckResult(name="connection", passed=False, code="SHOP_CLOSED", details=details)

    def discover(self):
        return [Stream(name="orders", primary_key=("a",)), Stream(name="shops")]

    def split(self, stream, since):
        if self.source.get("fault") == "odd cursor":
            return Window(units=(), fingerprint="f", after=Cursor(value={"at": Path("/shop")}))
        units = tuple(Unit(id=str(n), spec={"n": n}, rows=6) for n in range(2))
        return Window(units=units, fingerprint="f", before=since, after=Cursor(value={"stream": stream.name}))

    def read(self, stream, unit):
        self.reads += 1
        for _ in range(3):
            yield BATCH
        fault = self.source.get("fault")
        if fault == "endless":
            while True:
                yield BATCH
        if fault == "secret":
            tell_a_secret(self.source)
        if fault == "large batch":
            yield pa.record_batch(
                {"a": pa.Array.from_buffers(pa.int64(), 25_000_000, [None, pa.py_buffer(bytes(200_000_000))])}
            )
        if fault == "schemas":
            yield pa.record_batch({"a": ["n/a"]})
            yield BATCH
        if fault == "wait":
            try:
                while not Path(self.source.get("until")).exists():
                    yield BATCH
            finally:
                Path(self.source.get("until") + ".closed").touch()
        if fault in FAULTS:
            FAULTS[fault]()

    def position(self, unit):
        return self.reads * 100

    def reached(self, window):
        said = {"reads": self.reads}
        return Cursor(value=said if self.source.get("says") == "the same" else {**said, "pid": os.getpid()})

    def close(self):
        if self.source.get("on_close") == "crash":
            segfault()
        if self.source.get("on_close") == "raise":
            raise RuntimeError("cannot close")


class Writer:
    """Counts rows in memory and writes them on commit, as writers of the earlier system may."""

    commits = True

    def __init__(self, asset, target, output_base):
        self.target = target
        self.rows = []
        self.commits = target.get("commits", True)

    def check(self):
        return CheckResult(name="connection", passed=True)

    def write(self, batches, base, name):
        rows = 0
        for batch in batches:
            rows += batch.num_rows
            self.rows += batch.column(0).to_pylist()
            if (fault := self.target.get("fault")) in FAULTS:
                FAULTS[fault]()
        if self.target.get("fault") == "odd files":
            return [CheckResult(name="no file", passed=True)]
        return [DataFile(path=f"{base}{name}", rows=rows, bytes=os.getpid(), partition={"p": None})]

    def commit(self, token, files):
        return {"token": token, "rows": self.rows, "pid": os.getpid(), "files": [f.path for f in files]}

    def abort(self, files):
        for file in files:
            Path(file.path + ".aborted").touch()
