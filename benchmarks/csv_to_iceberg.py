"""P2 and P3: a whole job, CSV -> contract validated -> zstd Parquet -> Iceberg commit, against DuckDB's bare COPY.

DuckDB validates nothing and commits nothing: it is the floor, not an equal. Ours runs inside a Dagster run, and the
same pipeline without Dagster's process (`dativo run`); P2 with what is built in, P3 with the reader and the writer in
Rust (`make rust`).

    python benchmarks/csv_to_iceberg.py [--rows 10000000] [--runs 3] [--folder /tmp/bench]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from measure import CONTRACT, compare, make_input, ratio, versions

JOB = """
name: {name}
tenant: bench
source: {{{reader}, files: ["{path}"]}}
target:
  {writer}
  connector: iceberg
  table: bench.{name}
  catalog: {{type: sql, uri: "sqlite:///{lake}/catalog.db", warehouse: "file://{lake}/warehouse"}}
contract: {folder}/contracts/input.yaml
validation: strict
"""

DUCKDB = (
    "import duckdb; duckdb.sql(\"COPY (SELECT * FROM read_csv('{path}')) TO '{out}' (FORMAT parquet, CODEC zstd)\")"
)

KINDS = {
    "built_in": ("connector: csv", ""),
    "rust": ("custom_reader: native:csv_reader", "custom_writer: native:parquet_writer"),
}

DAGSTER = """
import dagster as dg
from dativo_dagster.definitions import defs
job = defs.get_job_def("ingest__bench__{name}")
with dg.DagsterInstance.ephemeral() as instance:
    assert job.execute_in_process(instance=instance).success
"""


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    path = make_input(options.folder, options.rows)
    jobs, lake, out = options.folder / "jobs", options.folder / "lake", options.folder / "out.parquet"
    (jobs / "contracts").mkdir(parents=True, exist_ok=True)
    (jobs / "contracts" / "input.yaml").write_text(CONTRACT)
    for stale in jobs.glob("*.yaml"):
        stale.unlink()
    for name, (reader, writer) in KINDS.items():
        text = JOB.format(name=name, reader=reader, writer=writer, path=path, lake=lake, folder=jobs)
        (jobs / f"{name}.yaml").write_text(text)

    def empty() -> None:
        shutil.rmtree(lake, ignore_errors=True)
        lake.mkdir()

    commands = {"duckdb COPY, nothing validated": [sys.executable, "-c", DUCKDB.format(path=path, out=out)]}
    for name in KINDS:
        dagster = DAGSTER.replace("{name}", name)
        commands[f"{name}, inside a Dagster run"] = ["env", f"DATIVO_JOBS={jobs}", sys.executable, "-c", dagster]
        cli = [sys.executable, "-m", "dativo_dagster.cli", "run", "--config", str(jobs / f"{name}.yaml")]
        commands[f"{name}, dativo run"] = cli
    figures = compare(commands, runs=options.runs, before=dict.fromkeys(list(commands)[1:], empty))
    print(f"{options.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
    print(versions("duckdb", "pyarrow", "pyiceberg", "dagster"))
    peer = figures["duckdb COPY, nothing validated"]
    for name, f in figures.items():
        print(f.line(name), f"  {ratio(f, peer):5.2f}x")


if __name__ == "__main__":
    main()
