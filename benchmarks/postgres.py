"""P5: a whole job, PostgreSQL -> contract validated -> zstd Parquet -> Iceberg commit, against bare drains.

The floor is ``COPY (FORMAT BINARY)`` drained by psycopg, which decodes, validates, writes and commits nothing. The
others write Parquet without validation. Peers are run by an interpreter of their own, since what they pin disturbs us:

    python benchmarks/postgres.py --peers /path/to/venv/bin/python [--rows 3000000] [--runs 3] [--only NAME]

with ``psycopg[binary] connectorx dlt[parquet,sql_database] psycopg2-binary pyarrow`` installed there.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import CONTRACT, Figures, compare, make_input, ratio, versions

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers.postgres import PostgresServer, serve

TABLE = """
CREATE TABLE input (id int8 PRIMARY KEY, name text, email text, amount numeric(12,2), created_at timestamptz,
                    country text, active bool, note text)
"""
JOB = """
name: {name}
tenant: bench
source:
  connector: postgres
  host: 127.0.0.1
  port: {port}
  user: postgres
  database: bench
  splits: {splits}
parallelism: {splits}
target:
  connector: iceberg
  table: bench.{name}
  mode: overwrite
  catalog: {{type: sql, uri: "sqlite:///{lake}/catalog.db", warehouse: "file://{lake}/warehouse"}}
contract: {folder}/contracts/input.yaml
validation: strict
"""
PEERS = {
    "psycopg, COPY drained": """
import psycopg
with psycopg.connect("{dsn}") as c, c.cursor() as k, k.copy("COPY input TO STDOUT (FORMAT BINARY)") as copy:
    for _ in copy: pass
""",
    "connectorx, 2 partitions, to Parquet": """
import connectorx, pyarrow.parquet as pq
t = connectorx.read_sql("{url}", "SELECT * FROM input", return_type="arrow", partition_on="id", partition_num=2)
pq.write_table(t, "{out}", compression="zstd")
""",
    "dlt, connectorx backend, to Parquet": """
import dlt
from dlt.sources.sql_database import sql_table
p = dlt.pipeline("bench", destination=dlt.destinations.filesystem("file://{folder}/dlt"), dataset_name="d",
                 pipelines_dir="{folder}/dlt-work")
table = sql_table("{url}", table="input", backend="connectorx", backend_kwargs={{"conn": "{url}"}})
p.run(table, loader_file_format="parquet")
""",
}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--only", action="append", help="part of the name of what is run")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    with _server(options.folder, options.rows) as server:
        figures = _measured(options, server)
    print(f"{options.rows:,} rows")
    print(versions("adbc-driver-postgresql", "pyarrow", "pyiceberg"), _peers(options.peers))
    floor = next(iter(figures.values()))
    for name, found in figures.items():
        print(found.line(name), f"  {ratio(found, floor):5.2f}x")


def _measured(options: argparse.Namespace, server: PostgresServer) -> dict[str, Figures]:
    lake, jobs = options.folder / "lake", options.folder / "pg-jobs"
    (jobs / "contracts").mkdir(parents=True, exist_ok=True)
    contract = CONTRACT.replace("created_at, type: timestamp", "created_at, type: timestamptz")
    (jobs / "contracts" / "input.yaml").write_text(contract)
    facts = {
        "dsn": f"host=127.0.0.1 port={server.port} user=postgres dbname=bench",
        "url": f"postgresql://postgres:any@127.0.0.1:{server.port}/bench",
        "out": options.folder / "out.parquet",
        "folder": options.folder,
    }
    commands = {name: [options.peers, "-c", code.format(**facts)] for name, code in PEERS.items()}
    for splits in (1, 2):
        name = f"split_{splits}"
        path = jobs / f"{name}.yaml"
        path.write_text(JOB.format(name=name, port=server.port, splits=splits, lake=lake, folder=jobs))
        commands[f"dativo run, {splits} connection(s)"] = [
            *(sys.executable, "-m", "dativo_dagster.cli", "run", "--config", str(path))
        ]
    floor = next(iter(commands))
    chosen = {n: c for n, c in commands.items() if n == floor or not options.only or any(o in n for o in options.only)}

    def empty() -> None:
        for folder in (lake, options.folder / "dlt", options.folder / "dlt-work"):
            shutil.rmtree(folder, ignore_errors=True)
        lake.mkdir(parents=True)

    return compare(chosen, runs=options.runs, before=dict.fromkeys(chosen, empty))


@contextlib.contextmanager
def _server(folder: Path, rows: int) -> Iterator[PostgresServer]:
    """Run a server that has the table of docs/performance.md, filled from its CSV."""
    path = make_input(folder, rows)
    with serve() as server, contextlib.closing(server.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE bench")
        with contextlib.closing(server.connect("bench")) as bench, bench, path.open() as file:
            cursor = bench.cursor()
            cursor.execute(TABLE)
            cursor.copy_expert("COPY input FROM STDIN (FORMAT csv, HEADER)", file)
        with contextlib.closing(server.connect("bench")) as bench:
            bench.autocommit = True
            bench.cursor().execute("VACUUM (ANALYZE) input")
        yield server


def _peers(python: str) -> str:
    names = "psycopg", "connectorx", "dlt"
    code = f"from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in {names}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
