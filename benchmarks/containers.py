"""P12: what a container costs a plugin: the time to its first batch, and Arrow out of it per second.

`python benchmarks/containers.py [--runs 5] [--gigabytes 4]`. The same plugin in local, process and docker, in
turn; the image is built, and all is imported, before the clock starts. Targets: the first batch at most 0.5 s later
than local, and at least 1 GB/s out of the container.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from measure import versions

from dativo_dagster.registry import load
from dativo_ingest.model import PluginRef, Stream, Unit

PLACES = ("local", "process", "docker")
BATCH_BYTES = 16_000_000
PLUGIN = '''
import pyarrow as pa
from dativo_ingest import BaseReader


class Numbers(BaseReader):
    """Gives one batch again and again: what is measured is the way, not the making."""

    def extract(self, state_manager=None):
        batch = pa.record_batch({"id": pa.array(range(2_000_000), pa.int64())})
        yield batch.slice(0, 1000)
        for _ in range(self.source_config.connection["batches"]):
            yield batch
'''


def measured(launcher: Any, plugin: PluginRef, batches: int) -> tuple[float, float]:
    """Give the seconds to the first batch, and bytes per second from then on."""
    config = {
        "source": {"type": "custom", "connection": {"batches": batches}},
        "stream": Stream(name="numbers").to_json(),
        "tenant": "bench",
        "job": "docker",
    }
    began = time.perf_counter()
    with launcher.reader(plugin, config) as reader:
        rows = iter(reader.read(Stream(name="numbers"), Unit(id="all")))
        next(rows)
        first = time.perf_counter()
        size = sum(batch.nbytes for batch in rows)
        took = time.perf_counter() - first
    return first - began, size / took


def main() -> None:
    """Measure the places in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=4)
    options = parser.parse_args()
    batches = int(options.gigabytes * 1e9 / BATCH_BYTES)
    firsts: dict[str, list[float]] = defaultdict(list)
    speeds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "numbers.py")
        path.write_text(PLUGIN)
        plugin = PluginRef(path=str(path), name="Numbers")
        modules = {place: load("launchers", place) for place in PLACES}
        launchers = {place: module.Launcher(module.Config()) for place, module in modules.items()}
        for launcher in launchers.values():
            measured(launcher, plugin, 1)
        for _ in range(options.runs):
            for place, launcher in launchers.items():
                first, speed = measured(launcher, plugin, batches)
                firsts[place].append(first)
                speeds[place].append(speed)
    print(f"medians of {options.runs} runs of {options.gigabytes:g} GB; {versions('pyarrow', 'docker')}")
    for place in PLACES:
        more = statistics.median(a - b for a, b in zip(firsts[place], firsts["local"], strict=True))
        speed = statistics.median(speeds[place]) / 1e9
        print(f"{place:<10} first batch {more:+6.2f} s against local {speed:8.2f} GB/s")


if __name__ == "__main__":
    main()
