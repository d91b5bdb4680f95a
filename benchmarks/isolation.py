"""What a process of its own costs a plugin: `place: process` against `place: local`, everything else the same.

The figures of docs/adr/0007. Each command is a whole process, and its CPU seconds include those of its children. `open`
is the time from a loaded host to the answer of `check`. Needs the libraries of rust_plugins/ (`make rust`).

    python benchmarks/isolation.py [--only open read job] [--rows 10000000] [--runs 3] [--folder /tmp/bench]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import CONTRACT, compare, make_input, ratio, versions

PLACES = ("local", "process")

ROWS_PLUGIN = '''
from dativo_ingest import BaseReader


class Rows(BaseReader):
    """Gives dicts, as plugins of the earlier system do."""

    def extract(self, state_manager=None):
        for start in range(0, self.source_config.count, 10_000):
            yield [
                {"id": i, "name": f"name {i}", "amount": i / 4, "active": i % 2 == 0, "note": "a plain remark"}
                for i in range(start, start + 10_000)
            ]
'''
ROWS_CONTRACT = """
name: rows
version: 1.0.0
source_type: custom
object: rows
team: {owner: bench}
schema:
  - {name: id, type: int64, required: true}
  - {name: name, type: string}
  - {name: amount, type: double}
  - {name: active, type: boolean}
  - {name: note, type: string}
"""
JOB = """
name: {name}
tenant: bench
source: {{custom_reader: "{plugin}", place: {place}, {options}}}
target: {{connector: parquet, table: bench.{name}, path: "{lake}/{name}"}}
contract: contracts/{contract}.yaml
validation: strict
"""
OPENED = """
import time
from pathlib import Path
from dativo_dagster.config.forplugins import source_stream
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_reader
job = load_job(Path({path!r}))
stream = job.streams[0]
started = time.perf_counter()
with open_reader(job, stream) as reader:
"""
OPEN = OPENED + "    reader.check(); print(time.perf_counter() - started)"
READ = (
    OPENED
    + """
    source = source_stream(stream)
    rows = sum(b.num_rows for u in reader.split(source, None).units for b in reader.read(source, u))
    assert rows == {rows}, rows
"""
)
RUN = "import sys; from dativo_dagster.cli import main; sys.exit(main(['run', '--config', {path!r}]))"


def write_jobs(folder: Path, rows: int) -> dict[str, Path]:
    """Write a job for each plugin and place; gives their paths by name."""
    jobs = folder / "isolation"
    (jobs / "contracts").mkdir(parents=True, exist_ok=True)
    (jobs / "contracts" / "input.yaml").write_text(CONTRACT)
    (jobs / "contracts" / "rows.yaml").write_text(ROWS_CONTRACT)
    (jobs / "rows.py").write_text(ROWS_PLUGIN)
    plugins = {
        "native csv_reader": ("native:csv_reader", f'files: ["{make_input(folder, rows)}"]', "input"),
        "python dicts": (f"{jobs}/rows.py:Rows", f"count: {rows // 10}", "rows"),
    }
    paths = {}
    for name, (plugin, options, contract) in plugins.items():
        for place in PLACES:
            job = f"{name} {place}".replace(" ", "_")
            paths[f"{name}, {place}"] = jobs / f"{job}.yaml"
            text = JOB.format(
                name=job, plugin=plugin, place=place, options=options, contract=contract, lake=folder / "isolated"
            )
            paths[f"{name}, {place}"].write_text(text)
    return paths


def show_open(paths: dict[str, Path]) -> None:
    """Print the median of ten times to open and ask."""
    for name, path in paths.items():
        code = OPEN.format(path=str(path))
        took = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(10)]
        print(f"open: {name:<38} {statistics.median(took) * 1000:8.0f} ms")


def show(what: str, code: str, paths: dict[str, Path], folder: Path, *, rows: int, runs: int) -> None:
    """Print a row for each plugin and place."""
    commands = {}
    for name, path in paths.items():
        expected = rows if name.startswith("native") else rows // 10
        commands[name] = [sys.executable, "-c", code.format(path=str(path), rows=expected)]

    def empty() -> None:
        shutil.rmtree(folder / "isolated", ignore_errors=True)

    figures = compare(commands, runs=runs, before=dict.fromkeys(commands, empty))
    for name, f in figures.items():
        peer = figures[f"{name.partition(',')[0]}, local"]
        print(f.line(f"{what}: {name}"), f"  {ratio(f, peer):5.2f}x")


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=["open", "read", "job"], default=["open", "read", "job"])
    parser.add_argument("--plugin", default="", help="measure only plugins whose name starts so")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the CSV; a tenth of it for the dicts")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    paths = {n: p for n, p in write_jobs(options.folder, options.rows).items() if n.startswith(options.plugin)}
    print(f"{options.rows:,} rows of CSV, {options.rows // 10:,} dicts; {versions('pyarrow')}")
    if "open" in options.only:
        show_open(paths)
    for what, code in {"read": READ, "job": RUN}.items():
        if what in options.only:
            show(what, code, paths, options.folder, rows=options.rows, runs=options.runs)


if __name__ == "__main__":
    main()
