"""P7: what a job adds to an existing Python plugin that yields lists of dicts with five columns.

Run: python benchmarks/python_plugin.py [--rows N] [--runs N]

Each plugin is run bare (a loop that only iterates its pages) and as a whole job: rows to Arrow, validated against a
contract with three rules, written as zstd Parquet and committed. Whole processes, in turn; the seconds are those of the
work, without starting Python and without what the first job of a process imports. `existing` parses JSON pages, as a
plugin of an API does, but waits for no network; `trivial` makes its rows from a counter, so that nearly all time is
ours. A job runs the plugin and the writer in two threads: on a machine whose cores are busy the ratio is that of the
CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from measure import versions

HEAD = """
import json
from dativo_ingest import BaseReader
PAGE = 1000
"""
PLUGINS = {
    "existing": """
class R(BaseReader):
    def extract(self, state_manager=None):
        page = json.dumps({"data": [
            {"id": i, "name": f"name {i}", "amount": i / 7, "active": i % 2 == 0, "country": "DE"} for i in range(PAGE)
        ]})
        for start in range(0, self.source_config.rows, PAGE):
            rows = json.loads(page)["data"]
            for row in rows:
                row["id"] += start
            yield rows
""",
    "trivial": """
class R(BaseReader):
    def extract(self, state_manager=None):
        for start in range(0, self.source_config.rows, PAGE):
            yield [
                {"id": i, "name": "a name", "amount": 1.5, "active": True, "country": "DE"}
                for i in range(start, start + PAGE)
            ]
""",
}
JOB = {
    "tenant": "bench",
    "source": {"custom_reader": "plugin.py:R", "place": "local"},
    "target": {"connector": "parquet", "table": "people", "path": "out"},
    "contract": {
        "name": "people",
        "version": "1.0.0",
        "schema": [
            {"name": "id", "type": "int64", "required": True, "minimum": 0},
            {"name": "name", "type": "string"},
            {"name": "amount", "type": "double"},
            {"name": "active", "type": "boolean"},
            {"name": "country", "type": "string", "enum": ["DE", "FR"]},
        ],
    },
}
BARE = """
import resource, sys, time
from pathlib import Path
from dativo_ingest.config import SourceConfig
from dativo_ingest.loader import load_class, plugin_ref
plugin = load_class(plugin_ref("plugin.py:R", Path.cwd()))(SourceConfig(type="custom", rows=int(sys.argv[1])))
started, cpu = time.perf_counter(), time.process_time()
assert sum(len(page) for page in plugin.extract()) == int(sys.argv[1])
"""
WHOLE = """
import resource, sys, time
from pathlib import Path
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
assert run_job(load_job(Path("warm.yaml"))).streams[0].error is None
job = load_job(Path("job.yaml"))
started, cpu = time.perf_counter(), time.process_time()
(stream,) = run_job(job).streams
assert stream.error is None, stream.error
assert stream.counts.written == int(sys.argv[1])
"""
TAIL = """
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
print(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure(folder: Path, script: str, rows: int) -> tuple[float, float, float]:
    """Run a script in a folder and give wall seconds, CPU seconds and peak RSS in MB."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    command = [sys.executable, "-c", script + TAIL, str(rows)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    wall, cpu, rss = map(float, done.stdout.split())
    return wall, cpu, rss


def compare(folder: Path, name: str, rows: int, runs: int) -> None:
    """Run one plugin bare and as a job, in turn, and print both."""
    (folder / "plugin.py").write_text(HEAD + textwrap.dedent(PLUGINS[name]))
    for file, count in (("warm", 1000), ("job", rows)):
        job = {**JOB, "source": {**JOB["source"], "rows": count}, "target": {**JOB["target"], "path": f"out/{file}"}}
        (folder / f"{file}.yaml").write_text(json.dumps(job))
    found = {"bare": [], "job": []}
    for _ in range(runs):
        found["bare"].append(measure(folder, BARE, rows))
        found["job"].append(measure(folder, WHOLE, rows))
    for side, figures in found.items():
        wall, cpu, rss = (statistics.median(column) for column in zip(*figures, strict=True))
        print(
            f"{name + ', ' + side:<24} {wall:7.2f} s {cpu:7.2f} CPU-s {rss:6.0f} MB {rows / wall / 1e6:6.2f} M rows/s"
        )
    ratio = statistics.median(j[0] / b[0] for b, j in zip(found["bare"], found["job"], strict=True))
    print(f"{'':<24} job / bare = {ratio:.2f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    print(f"Python {platform.python_version()}, {versions('pyarrow')}, {given.rows:,} rows x 5 columns, pages of 1,000")
    with tempfile.TemporaryDirectory() as folder:
        for name in PLUGINS:
            compare(Path(folder), name, given.rows, given.runs)
    print("targets: existing <= 1.50, trivial >= 1 M rows/s")


if __name__ == "__main__":
    main()
