"""Reading MariaDB: our reader, which gives checked Arrow columns, against connectorx and rows of bare drivers.

Each reads the table of docs/performance.md over one connection, in batches, and drops what it got. Peers are run by an
interpreter of their own:

    python benchmarks/mysql.py --peers /path/to/venv/bin/python [--rows 1000000] [--runs 3]

with ``connectorx mariadb mysql-connector-python pymysql pyarrow`` installed there. What a value is worth is another
matter: of these only ours gives a decimal(65,30), a zero date and an unsigned number exactly or refuses it by name.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import compare, make_input, ratio, versions

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers.mariadb import MariaDbServer, serve

TABLE = """
CREATE TABLE input (id bigint PRIMARY KEY, name varchar(50), email varchar(64), amount decimal(12,2),
                    created_at datetime(6), country char(2), active tinyint(1), note varchar(100)) CHARACTER SET utf8mb4
"""
LOAD = """
LOAD DATA LOCAL INFILE '{path}' INTO TABLE input FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY ''
IGNORE 1 LINES (id, name, email, amount, created_at, country, @active, @note)
SET active = @active = 'true', note = NULLIF(@note, '')
"""
OURS = """
from pathlib import Path
from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import SourceContext
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.sql.mysql import Config, Reader
from dativo_dagster.validation.convert import convert
from dativo_ingest.model import Stream
config = Config(host="127.0.0.1", port={port}, user="root", database="bench", tables="input")
[found] = Reader(config, SourceContext(base=Path(), contract=Contract(name="input", version="1", fields=()))).discover()
fields = tuple(Field(name=c.name, type=parse_type(c.type)) for c in found.columns)
contract = Contract(name="input", version="1", fields=fields)
reader = Reader(config, SourceContext(base=Path(), contract=contract, object="input"))
stream, rows = Stream(name="input"), 0
for unit in reader.split(stream, None).units:
    for batch in reader.read(stream, unit):
        rows += batch.num_rows
        assert all(convert(array, f.type).bad is None for f, array in zip(fields, batch.columns))
assert rows == {rows}
"""
FETCH = """
cursor.execute("SELECT * FROM input")
rows = 0
while got := cursor.fetchmany(10_000): rows += len(got)
assert rows == {rows}
"""
PEERS = {
    "connectorx, Arrow stream": """
import connectorx
url, query = "mysql://root@127.0.0.1:{port}/bench", "SELECT * FROM input"
batches = connectorx.read_sql(url, query, return_type="arrow_stream", batch_size=65_536)
assert sum(b.num_rows for b in batches) == {rows}
""",
    "mariadb (C where it has it), rows": """
import mariadb
cursor = mariadb.connect(host="127.0.0.1", port={port}, user="root", database="bench").cursor(buffered=False)
"""
    + FETCH,
    "mysql-connector-python, raw rows": """
import mysql.connector
link = mysql.connector.connect(host="127.0.0.1", port={port}, user="root", database="bench", ssl_disabled=True,
                               charset="utf8mb4", collation="utf8mb4_general_ci")
cursor = link.cursor(raw=True)
"""
    + FETCH,
    "pymysql, rows": """
import pymysql
from pymysql.cursors import SSCursor
cursor = SSCursor(pymysql.connect(host="127.0.0.1", port={port}, user="root", database="bench", ssl_disabled=True))
"""
    + FETCH,
}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    with _server(make_input(options.folder, options.rows)) as server:
        facts = {"port": server.port, "rows": options.rows}
        commands = {"dativo, checked Arrow columns": [sys.executable, "-c", OURS.format(**facts)]}
        commands |= {name: [options.peers, "-c", code.format(**facts)] for name, code in PEERS.items()}
        figures = compare(commands, runs=options.runs)
    print(f"{options.rows:,} rows; {versions('pymysql', 'pyarrow')}; {_peers(options.peers)}")
    ours = next(iter(figures.values()))
    for name, found in figures.items():
        print(found.line(name), f"  {ratio(found, ours):5.2f}x ours")


@contextlib.contextmanager
def _server(path: Path) -> Iterator[MariaDbServer]:
    """Run a server that has the table, filled from the CSV."""
    import pymysql

    with serve() as server:
        server.run("CREATE DATABASE bench", "SET GLOBAL innodb_buffer_pool_size = 512 * 1024 * 1024")
        server.run(TABLE, database="bench")
        with contextlib.closing(
            pymysql.connect(host="127.0.0.1", port=server.port, user="root", database="bench", local_infile=True)
        ) as link:
            link.cursor().execute(LOAD.format(path=path))
            link.commit()
        yield server


def _peers(python: str) -> str:
    names = ("connectorx", "mariadb", "mysql-connector-python")
    code = f"from importlib.metadata import version as v; print(*(f'{{n}} {{v(n)}}' for n in {names}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
