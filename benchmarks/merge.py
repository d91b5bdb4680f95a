"""P6: 300,000 random keys merged into a million rows, against pyiceberg's own upsert of the same rows.

Both get the rows in memory and a table of eight columns in a local catalog of SQLite; ours writes them, decides and
commits, and so does pyiceberg. `job` is the same merge as a whole job, from CSV, inside a Dagster run: the memory
counts. The second part shows what a merge costs that touches one file of ten, or of a hundred.

    python benchmarks/merge.py [--rows 1000000] [--keys 300000] [--peer-keys 20000 100000] [--folder /tmp/bench]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import CONTRACT, run, versions

JOB = """
name: {name}
tenant: bench
source: {{connector: csv, files: ["{path}"]}}
target: {{connector: iceberg, table: bench.input, mode: merge, key: [id]}}
contract: contracts/input.yaml
"""
DAGSTER = """
import dagster as dg
from dativo_dagster.definitions import defs
job = defs.get_job_def("ingest__bench__{name}")
with dg.DagsterInstance.ephemeral() as instance:
    assert job.execute_in_process(instance=instance).success
"""
QUERY = """
SELECT i AS id, 'name ' || (hash(i, {seed}) % 1000000)::VARCHAR AS name, 'user' || i || '@example.org' AS email,
  ((hash(i * 3, {seed}) % 100000000)::DECIMAL(18,2) / 100)::DECIMAL(12,2) AS amount,
  TIMESTAMP '2020-01-01' + to_seconds((hash(i * 5, {seed}) % 150000000)::BIGINT) AS created_at,
  ['DE','FR','IT','ES','PL','NL','SE'][(hash(i * 7, {seed}) % 7)::BIGINT + 1] AS country,
  hash(i * 11, {seed}) % 2 = 0 AS active,
  CASE WHEN i % 17 = 0 THEN NULL ELSE 'plain remark ' || (hash(i * 13, {seed}) % 100000) END AS note
FROM {source}
"""


def rows(source: str, seed: int):
    """Give rows of the eight columns; ``source`` is SQL that has a column i."""
    import duckdb

    return duckdb.sql(QUERY.format(source=source, seed=seed)).to_arrow_table()


def keys(total: int, count: int) -> str:
    """Give SQL for random keys, a tenth of them new."""
    return (
        f"(SELECT i FROM range(1, {total + total // 10} + 1) t(i) ORDER BY hash(i, 99) LIMIT {count}) t"
        if count < total
        else f"range(1, {count} + 1) t(i)"
    )


def table(mode: str):
    """Open the table for one run."""
    from datetime import date

    import yaml

    from dativo_dagster.config.contract import Contract, Field
    from dativo_dagster.config.job import Merge, TableSpec
    from dativo_dagster.config.types import parse_type
    from dativo_dagster.tables.iceberg import Config, Table

    fields = tuple(
        Field(name=f["name"], type=parse_type(f["type"]), required=f.get("required", False))
        for f in yaml.safe_load(CONTRACT)["schema"]
    )
    spec = TableSpec(
        identifier="bench.input",
        contract=Contract(name="input", fields=fields),
        base=Path(),
        run_date=date(2026, 1, 1),
        mode=mode,
        merge=Merge(key=("id",)) if mode == "merge" else None,
    )
    return Table(Config(), spec)


def put(a_table, data, token: str, mode: str) -> None:
    """Write and commit rows."""
    from dativo_ingest.model import Staged

    schema = data.schema.set(0, data.schema.field(0).with_nullable(nullable=False))
    files = a_table.writer(token).write(data.cast(schema).to_batches(128 * 1024), "unit")
    a_table.commit(Staged(token=token, key="k", mode=mode, files=tuple(files), table=a_table.prepared()))


def role(name: str, total: int, count: int) -> None:
    """Be one of the processes that are measured; says its seconds and its peak memory in MB."""
    if name == "fill":
        put(table("append"), rows(f"range(1, {total} + 1) t(i)", 7), f"{0:024x}", "append")
        return
    if name == "fill-many":
        for at in range(count):
            low = at * (total // count) + 1
            put(table("append"), rows(f"range({low}, {low + total // count}) t(i)", 7), f"{at:024x}", "append")
        return
    data = rows(keys(total, count) if name != "one" else f"range(1, {count} + 1) t(i)", 8)
    a_table = table("merge")
    theirs = a_table._load()  # noqa: SLF001 - the very same catalog
    started, cpu = time.perf_counter(), time.process_time()
    if name == "peer":
        theirs.upsert(data.cast(theirs.schema().as_arrow()), join_cols=["id"])
    else:
        put(a_table, data, "f" * 24, "merge")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seconds:.3f} {cpu:.3f} {peak:.0f}")


def measured(folder: Path, name: str, total: int, count: int) -> list[float]:
    """Run one role on a fresh copy of the table."""
    lake = folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    shutil.copytree(folder / f"filled-{total}", lake)
    environment = {**os.environ, "DATIVO_WAREHOUSE": str(lake)}
    command = [sys.executable, __file__, "--role", name, "--rows", str(total), "--keys", str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [float(word) for word in done.stdout.split()]


def fill(folder: Path, name: str, total: int, files: int) -> None:
    """Make the table that every run starts from; it lies where the runs find it, as its metadata names paths."""
    filled, lake = folder / f"filled-{total}", folder / "lake"
    for stale in (filled, lake):
        shutil.rmtree(stale, ignore_errors=True)
    command = [sys.executable, __file__, "--role", name, "--rows", str(total), "--keys", str(files)]
    subprocess.run(command, env={**os.environ, "DATIVO_WAREHOUSE": str(lake)}, check=True)
    shutil.copytree(lake, filled)


def job(folder: Path, total: int, count: int) -> tuple[float, float, float]:
    """Merge as a job inside a Dagster run; gives wall seconds, CPU seconds and peak memory in MB."""
    import duckdb

    lake, jobs = folder / "lake", folder / "jobs"
    shutil.rmtree(lake, ignore_errors=True)
    shutil.rmtree(jobs, ignore_errors=True)
    shutil.copytree(folder / f"filled-{total}", lake)
    (jobs / "contracts").mkdir(parents=True)
    (jobs / "contracts" / "input.yaml").write_text(CONTRACT)
    path = folder / "keys.csv"
    duckdb.sql(f"COPY ({QUERY.format(source=keys(total, count), seed=8)}) TO '{path}' (HEADER)")
    (jobs / "merge.yaml").write_text(JOB.format(name="merge", path=path))
    code = DAGSTER.replace("{name}", "merge")
    return run([sys.executable, "-c", code], {"DATIVO_JOBS": str(jobs), "DATIVO_WAREHOUSE": str(lake)})


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=300_000)
    parser.add_argument("--peer-keys", type=int, nargs="*", default=[20_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench-merge")
    parser.add_argument("--role")
    options = parser.parse_args()
    if options.role:
        role(options.role, options.rows, options.keys)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    print(versions("pyarrow", "pyiceberg", "dagster"))
    fill(options.folder, "fill", options.rows, 1)
    line = "{:<54} {:8.2f} s {:8.2f} CPU-s {:7.0f} MB".format
    for count in sorted({*options.peer_keys, options.keys}):
        ours = measured(options.folder, "ours", options.rows, count)
        print(line(f"ours, {count:,} keys into {options.rows:,} rows", *ours), flush=True)
        if count in options.peer_keys:
            peer = measured(options.folder, "peer", options.rows, count)
            print(line(f"pyiceberg upsert, {count:,} keys", *peer), f"  ours is 1/{peer[0] / ours[0]:.0f}", flush=True)
    figures = job(options.folder, options.rows, options.keys)
    print(line(f"job from CSV inside a Dagster run, {options.keys:,} keys", *figures))
    for files in (10, 100):
        fill(options.folder, "fill-many", options.rows, files)
        one = measured(options.folder, "one", options.rows, 1000)
        every = measured(options.folder, "ours", options.rows, 1000)
        print(line(f"1,000 keys in 1 of {files} files", *one))
        print(line(f"1,000 keys in all of {files} files", *every))


if __name__ == "__main__":
    main()
