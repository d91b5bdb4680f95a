"""P13: what a function of AWS Lambda costs a plugin: until its first answer, on every call, and on its rows.

`python benchmarks/functions.py [--runs 20] [--rows 2000000]`. Needs a Docker engine: ministack runs the functions in
containers of this machine, so Amazon's network and its own cold starts are not in the figures. The peer is a function
that answers at once, invoked by boto3 alone, in turn with ours. Targets: nothing is deployed anew, and a warm call of a
small unit takes at most 100 ms more than the peer's.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import versions

ROOT = Path(__file__).parents[1]
COLUMNS = [{"name": "n", "type": "int64"}, {"name": "s", "type": "string"}]
CLASS = '''
import pyarrow as pa
from dativo_ingest import BaseReader


class Numbers(BaseReader):
    """Gives one batch again and again: what is measured is the way, not the making."""

    def extract(self, state_manager=None):
        rows = self.source_config.connection["rows"]
        batch = pa.record_batch({"n": range(100_000), "s": [f"text {n}" for n in range(100_000)]})
        for first in range(0, rows, 100_000):
            yield batch.slice(0, min(100_000, rows - first))
'''
BARE = b"def handler(event, context):\n    return {}\n"


def timed(call: Callable[[], Any]) -> float:
    """Give the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class Bare:
    """A function that answers at once, and its client."""

    def __init__(self, server: Any) -> None:
        from dativo_dagster.functions.package import pack

        self.client = server.client("lambda")
        code = {"ZipFile": pack({"main.py": BARE}).data}
        settings = {"Runtime": "python3.11", "Handler": "main.handler", "Role": server.role(), "MemorySize": 1024}
        self.first = timed(lambda: self._make(Code=code, Timeout=60, **settings))

    def invoke(self) -> None:
        """Call it."""
        self.client.invoke(FunctionName="bare", LogType="Tail", Payload=b"{}")["Payload"].read()

    def _make(self, **settings: Any) -> None:
        self.client.create_function(FunctionName="bare", **settings)
        self.client.get_waiter("function_active_v2").wait(FunctionName="bare", WaiterConfig={"Delay": 1})
        self.invoke()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A plugin, its place, and its configuration for a read of so many rows from a store."""

    name: str
    launcher: Any
    plugin: Any
    config: Callable[[int, str], dict[str, Any]]


def subjects(server: Any, folder: Path) -> list[Subject]:
    """Give a class and a library."""
    from dativo_dagster.launchers.aws_lambda import Config, Launcher
    from dativo_dagster.storage.portable import portable
    from dativo_ingest.model import PluginRef
    from tests.native import native_library
    from tests.servers.aws import KEY

    path = folder / "numbers.py"
    path.write_text(CLASS)
    owner = {"tenant": "bench", "job": "functions", "stream": {"name": "rows", "columns": COLUMNS}, "base": "/"}

    def numbers(rows: int, _: str) -> dict[str, Any]:
        return {"source": {"type": "custom", "connection": {"rows": rows}}, **owner}

    def csv(rows: int, endpoint: str) -> dict[str, Any]:
        reach = {"endpoint": endpoint, "region": server.region}
        connection = {"s3": {**reach, "access_key_id": KEY, "secret_access_key": KEY}}
        source = {"type": "custom", "files": [f"s3://bench/{rows}.csv"], "connection": connection}
        return {"source": source, "object_store": portable(source), **owner}

    def launcher(runtime: str) -> Any:
        return Launcher(Config.model_validate({**server.place, "runtime": runtime}))

    library = PluginRef(path=str(native_library("csv_reader")), name="create_reader", kind="native")
    return [
        Subject(
            name="class, python3.11",
            launcher=launcher("python3.11"),
            plugin=PluginRef(path=str(path), name="Numbers"),
            config=numbers,
        ),
        Subject(name="library, provided.al2023", launcher=launcher("provided.al2023"), plugin=library, config=csv),
    ]


def read(reader: Any, stream: Any) -> int:
    """Read everything, and give the number of rows."""
    units = reader.split(stream, None).units
    return sum(batch.num_rows for unit in units for batch in reader.read(stream, unit))


def deployed(server: Any) -> dict[str, str]:
    """Give the functions that there are, and when each was changed."""
    found = server.client("lambda").list_functions()["Functions"]
    return {each["FunctionName"]: each["LastModified"] for each in found}


def measure(server: Any, subject: Subject, bare: Bare, rows: int, runs: int) -> None:
    """Measure one plugin and print its figures."""
    from dativo_ingest.model import Stream
    from dativo_ingest.opening import open_reader

    stream = Stream.from_json({"name": "rows", "columns": COLUMNS})

    def opened(count: int) -> Any:
        return subject.launcher.reader(subject.plugin, subject.config(count, server.inner))

    def answer() -> None:
        with opened(1) as reader:
            reader.check()

    first, before = timed(answer), deployed(server)
    again = statistics.median(timed(answer) for _ in range(5))
    calls, peers = [], []
    with opened(1) as reader:
        unit = reader.split(stream, None).units[0]
        for _ in range(runs):
            peers.append(timed(bare.invoke))
            calls.append(timed(lambda: list(reader.read(stream, unit))))
    with opened(rows) as reader:
        there = statistics.median(timed(lambda: read(reader, stream)) for _ in range(3))
    with open_reader(subject.plugin, subject.config(rows, server.endpoint)) as reader:
        here = statistics.median(timed(lambda: read(reader, stream)) for _ in range(3))
    assert deployed(server) == before, "a function was deployed anew"
    more = statistics.median(ours - peer for ours, peer in zip(calls, peers, strict=True))
    print(f"{subject.name}: nothing deployed anew in {len(calls) + 14} calls")
    print(f"  first answer, deployed for it   {first:8.2f} s   the peer's {bare.first:.2f} s")
    print(f"  first answer of the next run    {again:8.2f} s")
    print(f"  a warm unit of one row          {statistics.median(calls) * 1e3:8.0f} ms  {more * 1e3:+.0f} ms")
    print(f"  rows by the staging folder      {rows / there / 1e6:8.2f} M/s here {rows / here / 1e6:.2f} M/s")


def main() -> None:
    """Serve ministack, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2_000_000)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.servers import aws, docker, provided

    logging.disable(logging.WARNING)  # that the runtime of Python 3.11 is old
    os.environ.update(AWS_ACCESS_KEY_ID=aws.KEY, AWS_SECRET_ACCESS_KEY=aws.KEY)
    with tempfile.TemporaryDirectory() as folder, docker.engine() as engine:
        docker.make_base_images()
        provided.make_images(engine)
        with aws.serve(engine, "1024m") as server:
            s3 = server.client("s3")
            s3.create_bucket(Bucket="bench")
            for rows in (1, options.rows):
                text = "n,s\n" + "".join(f"{n},text {n}\n" for n in range(rows))
                s3.put_object(Bucket="bench", Key=f"{rows}.csv", Body=text.encode())
            bare = Bare(server)
            print(f"medians of {options.runs} calls and of 3 reads; {versions('boto3', 'pyarrow', 'ministack')}")
            for subject in subjects(server, Path(folder)):
                measure(server, subject, bare, options.rows, options.runs)


if __name__ == "__main__":
    main()
