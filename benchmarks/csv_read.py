"""CSV -> Arrow batches, typed by a contract: our reader against pyarrow's own, whole table and streamed.

pyarrow keeps the whole table in memory, or parses on one core; neither hands ragged records on. Plain and with a
newline inside a quoted value, where the cutter has to look at every quote.

    python benchmarks/csv_read.py [--rows 2000000] [--runs 5] [--folder /tmp/bench]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import compare, make_input, ratio, versions

TYPES = """
import pyarrow as pa, pyarrow.csv as pc
types = {"id": pa.int64(), "amount": pa.decimal128(12, 2), "created_at": pa.timestamp("us"), "active": pa.bool_()}
types |= {n: pa.string() for n in ("name", "email", "country", "note")}
options = pc.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True,
                            quoted_strings_can_be_null=False)
quoted = pc.ParseOptions(newlines_in_values=True)
"""
OURS = """
from dativo_dagster.formats.csv import Dialect, read_csv
with open({path!r}, "rb", buffering=0) as stream:
    rows = sum(b.num_rows for b in read_csv(stream, "input.csv", Dialect(), pa.schema(types)))
"""
WHOLE = "rows = pc.read_csv({path!r}, convert_options=options, parse_options=quoted).num_rows\n"
STREAMED = "rows = sum(b.num_rows for b in pc.open_csv({path!r}, convert_options=options, parse_options=quoted))\n"


def with_newlines(path: Path) -> Path:
    """Copy the input with a line break in every quoted remark, one row in thirteen."""
    copy = path.with_suffix(".newlines.csv")
    if not copy.exists():
        with path.open("rb") as source, copy.open("wb") as target:
            target.writelines(line.replace(b", remark", b",\nremark") for line in source)
    return copy


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    plain = make_input(options.folder, options.rows)
    print(f"{options.rows:,} rows, {plain.stat().st_size / 1e6:,.0f} MB; {versions('pyarrow')}")
    for what, path in {"plain": plain, "newlines in values": with_newlines(plain)}.items():
        check = f"assert rows == {options.rows}, rows"
        commands = {
            f"{what}: {name}": [sys.executable, "-c", TYPES + code.format(path=str(path)) + check]
            for name, code in {"pyarrow read_csv": WHOLE, "pyarrow open_csv": STREAMED, "ours": OURS}.items()
        }
        figures = compare(commands, runs=options.runs)
        peer = figures[f"{what}: pyarrow read_csv"]
        for name, f in figures.items():
            print(f.line(name), f"  {ratio(f, peer):5.2f}x")


if __name__ == "__main__":
    main()
