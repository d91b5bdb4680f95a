"""P1: the CSV reader in Rust through the C stream, batches counted, against polars' streaming reader.

Ours gives each column in the contract's type: int64, decimal, timestamp, boolean. What is fastest in polars leaves
timestamps as text and reads the amounts as floats; the third row is polars with the types that ours gives.

    python benchmarks/rust_csv.py [--rows 10000000] [--runs 5] [--folder /tmp/bench]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import CONTRACT, compare, make_input, ratio, versions

ROOT = Path(__file__).parents[1]

OURS = """
import sys
import yaml
from dativo_ingest.model import Column, Stream
from dativo_ingest.native import load_library
library, path, contract = sys.argv[1:]
stream = Stream(
    name="input", columns=tuple(Column(name=c["name"], type=c["type"]) for c in yaml.safe_load(contract)["schema"])
)
config = {"source": {"files": [path]}, "stream": stream.to_json(), "base": "/", "object_store": {}}
with load_library(library).reader("create_reader", config) as reader:
    (unit,) = reader.split(stream, None).units
    print(sum(batch.num_rows for batch in reader.read(stream, unit)))
"""

POLARS = """
import sys
import polars as pl
print(sum(batch.height for batch in pl.scan_csv(sys.argv[1]).collect_batches(maintain_order=True)))
"""

POLARS_TYPED = """
import sys
import polars as pl
types = {
    "id": pl.Int64, "name": pl.String, "email": pl.String, "amount": pl.Decimal(12, 2),
    "created_at": pl.Datetime("us"), "country": pl.String, "active": pl.Boolean, "note": pl.String,
}
print(sum(batch.height for batch in pl.scan_csv(sys.argv[1], schema=types).collect_batches(maintain_order=True)))
"""


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.native import native_library

    path, library = make_input(options.folder, options.rows), native_library("csv_reader")
    peer = "polars, its own types"
    commands = {
        peer: [sys.executable, "-c", POLARS, str(path)],
        "csv_reader, the contract's types": [sys.executable, "-c", OURS, str(library), str(path), CONTRACT],
        "polars, the contract's types": [sys.executable, "-c", POLARS_TYPED, str(path)],
    }
    figures = compare(commands, runs=options.runs)
    print(f"{options.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB, whole processes")
    print(versions("polars", "pyarrow"))
    for name, f in figures.items():
        print(f.line(name), f"  {ratio(f, figures[peer]):5.2f}x")


if __name__ == "__main__":
    main()
