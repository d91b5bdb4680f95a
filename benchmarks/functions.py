"""P13: what a function of a cloud costs a plugin: until its first answer, on every call, and on its rows.

`python benchmarks/functions.py [--runs 20] [--rows 2000000]`. AWS Lambda needs a Docker engine: ministack runs the
functions in containers of this machine. Cloud Functions run in the real functions-framework behind a server that
answers Google's client. So neither a cloud's network nor its cold starts are in the figures. The peer is a function
that answers at once, invoked by boto3 or requests alone, in turn with ours. Targets: nothing is deployed anew, and a
warm call of a small unit takes at most 100 ms more than the peer's.

What a call costs in the function's own processes is measured beside: on a small function a CPU millisecond takes three.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clouds import CLASS, COLUMNS, Cloud, Subject, amazon, google, numbers, timed
from measure import versions

ROOT = Path(__file__).parents[1]
NEEDED = "import sys; sys.path[:0] = sys.argv[1:]; import dativo_ingest.opening, dativo_ingest.worker.serving, pyarrow"
"""What a process of a verb imports, where it is not forked."""


def read(reader: Any, stream: Any) -> int:
    """Read everything, and give the number of rows."""
    units = reader.split(stream, None).units
    return sum(batch.num_rows for unit in units for batch in reader.read(stream, unit))


def measure(cloud: Cloud, subject: Subject, rows: int, runs: int) -> None:
    """Measure one plugin and print its figures."""
    from dativo_ingest.model import Stream
    from dativo_ingest.opening import open_reader

    stream = Stream.from_json({"name": "rows", "columns": COLUMNS})

    def opened(count: int) -> Any:
        return subject.launcher.reader(subject.plugin, subject.there(count))

    def answer() -> None:
        with opened(1) as reader:
            reader.check()

    first, before = timed(answer), cloud.deployed()
    again = statistics.median(timed(answer) for _ in range(5))
    calls, peers = [], []
    with opened(1) as reader:
        unit = reader.split(stream, None).units[0]
        for _ in range(runs):
            peers.append(timed(cloud.invoke))
            calls.append(timed(lambda: list(reader.read(stream, unit))))
    with opened(rows) as reader:
        there = statistics.median(timed(lambda: read(reader, stream)) for _ in range(3))
    with open_reader(subject.plugin, subject.here(rows)) as reader:
        here = statistics.median(timed(lambda: read(reader, stream)) for _ in range(3))
    assert cloud.deployed() == before, "a function was deployed anew"
    more = statistics.median(ours - peer for ours, peer in zip(calls, peers, strict=True))
    print(f"{subject.name}: nothing deployed anew in {len(calls) + 14} calls")
    print(f"  first answer, deployed for it   {first:8.2f} s   the peer's {cloud.first:.2f} s")
    print(f"  first answer of the next run    {again:8.2f} s")
    print(f"  a warm unit of one row          {statistics.median(calls) * 1e3:8.0f} ms  {more * 1e3:+.0f} ms")
    print(f"  rows by the staging folder      {rows / there / 1e6:8.2f} M/s here {rows / here / 1e6:.2f} M/s")


def measure_processes(folder: Path, runs: int) -> None:
    """Measure what the function's own processes do for a warm unit, in turn with a process that imports all anew."""
    from dativo_ingest.functions import handle
    from dativo_ingest.functions.handling import PROTOCOL

    (folder / "numbers.py").write_text(CLASS)
    (folder / "owner.json").write_text("{}")
    request = {
        "dativo": PROTOCOL,
        "role": "reader",
        "verb": "read",
        "plugin": {"path": "numbers.py", "name": "Numbers", "kind": "python"},
        "config": numbers(1),
        "arguments": {"stream": {"name": "rows", "columns": COLUMNS}, "unit": {"id": "all", "spec": {}}},
        "staging": {"url": f"file://{folder}/"},
        "limits": {"inline_bytes": 4 << 20, "piece_bytes": 16 << 20, "ahead": 2},
    }

    def call() -> None:
        reply = handle(request, remaining=lambda: 60.0, package=folder)
        assert "error" not in reply, reply

    def start() -> None:
        subprocess.run([sys.executable, "-I", "-c", NEEDED, str(ROOT)], check=True)

    call()
    forked, started = cpu_of(call, runs), cpu_of(start, runs)
    print("CPU of all processes of a function")
    print(f"  a warm unit of one row          {forked * 1e3:8.0f} ms")
    print(f"  a start that is no fork         {started * 1e3:8.0f} ms  {started / forked:.1f} times as much")


def cpu_of(call: Callable[[], None], runs: int) -> float:
    """Give the CPU seconds of a call, those of its processes included."""
    before = spent()
    for _ in range(runs):
        call()
    return (spent() - before) / runs


def spent() -> float:
    """Give the CPU seconds so far of this process, of its children, and of theirs that have ended."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    ticks = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:15] for child in children]
    living = sum(int(tick) for four in ticks for tick in four) / os.sysconf("SC_CLK_TCK")
    return sum(os.times()[:4]) + living


def csv_of(rows: int) -> bytes:
    """Give the rows of the class as CSV."""
    return ("n,s\n" + "".join(f"{n},text {n}\n" for n in range(rows))).encode()


def main() -> None:
    """Serve the clouds, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2_000_000)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    logging.disable(logging.WARNING)  # that the runtime of Python 3.11 is old
    files = {rows: csv_of(rows) for rows in (1, options.rows)}
    print(f"medians of {options.runs} calls and of 3 reads; {versions('boto3', 'pyarrow', 'ministack')}")
    for serve in (amazon, google):
        with tempfile.TemporaryDirectory() as folder, serve(Path(folder), files) as cloud:
            for subject in cloud.subjects:
                measure(cloud, subject, options.rows, options.runs)
    with tempfile.TemporaryDirectory() as folder:
        measure_processes(Path(folder), options.runs)


if __name__ == "__main__":
    main()
