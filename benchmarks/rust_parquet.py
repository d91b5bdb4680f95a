"""P4: Arrow -> one Parquet file, the Rust plugin `parquet_writer` against `pyarrow.parquet.write_table`.

Both get the same batches from one Arrow file: pyarrow as a table mapped into memory, its best case; ours batch by batch
through the ctypes stream, reading included. Only the writing is timed, imports are not; RSS is of the whole process,
for pyarrow with its mapped input. Ours is flushed to the disk before it is renamed, pyarrow's is not. The files are
then compared value by value.

    python benchmarks/rust_parquet.py [--rows 10000000] [--runs 3] [--folder /tmp/bench]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from measure import Figures, make_input, run, versions

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.native import native_library

PYARROW = """
import sys, time, pyarrow as pa, pyarrow.parquet as pq
source, target, codec, report = sys.argv[1:]
with pa.memory_map(source) as file:
    table = pa.ipc.open_file(file).read_all()
    started = time.perf_counter()
    pq.write_table(table, target, compression=codec)
    seconds = time.perf_counter() - started
open(report, "w").write(str(seconds))
"""

OURS = """
import json, os, sys, time, pyarrow as pa
from dativo_ingest.native import load_library
source, target, options, report, library = sys.argv[1:]
def batches(file):
    reader = pa.ipc.open_file(file)
    for at in range(reader.num_record_batches):
        yield reader.get_batch(at)
config = {"target": json.loads(options), "output_base": os.path.dirname(target), "commits": False}
with load_library(library).writer("create_writer", config) as writer, pa.OSFile(source) as file:
    started = time.perf_counter()
    (made,) = writer.write(batches(file), os.path.dirname(target) + "/", "ours")
    seconds = time.perf_counter() - started
os.rename(made.path, target)
open(report, "w").write(str(seconds))
"""

# This and the next are processes of their own: a child's peak RSS begins with that of the process that started it.
INPUT = """
import sys, pyarrow as pa, pyarrow.csv as pc
source, target = sys.argv[1:]
types = {"id": pa.int64(), "amount": pa.decimal128(12, 2), "created_at": pa.timestamp("us"), "active": pa.bool_()}
types |= {name: pa.string() for name in ("name", "email", "country", "note")}
options = pc.ConvertOptions(column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False)
rows = pc.open_csv(source, read_options=pc.ReadOptions(block_size=1 << 22), convert_options=options)
with pa.ipc.new_file(target, rows.schema) as file:
    for batch in rows:
        file.write_batch(batch)
"""
SAME = """
import sys, pyarrow as pa, pyarrow.parquet as pq
ours, theirs = (pq.ParquetFile(f, pre_buffer=False).iter_batches(batch_size=1 << 17) for f in sys.argv[1:])
for a, b in zip(ours, theirs, strict=True):
    assert pa.table(a).equals(pa.table(b)), "the files differ"
"""


def arrow_input(folder: Path, rows: int) -> Path:
    """Make the Arrow file of the benchmark's table once, in batches of some megabytes."""
    path = make_input(folder, rows)
    made = path.with_suffix(".arrow")
    if not made.exists():
        run([sys.executable, "-c", INPUT, str(path), str(made)])
    return made


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dativo-bench")
    options = parser.parse_args()
    source, out, report = arrow_input(options.folder, options.rows), options.folder / "out", options.folder / "seconds"
    library = str(native_library("parquet_writer"))
    print(f"{options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB of Arrow; {versions('pyarrow')}")
    plain = 0
    for codec in ("snappy", "zstd", "zstd, delta"):
        name, _, encoding = codec.partition(", ")
        files = [out.with_suffix(f".{who}.parquet") for who in ("ours", "pyarrow")]
        told = f'{{"compression": "{name}", "encoding": "{encoding or "plain"}"}}'
        commands = {
            f"pyarrow {name}": [sys.executable, "-c", PYARROW, str(source), str(files[1]), name, str(report)],
            f"ours {codec}": [sys.executable, "-c", OURS, str(source), str(files[0]), told, str(report), library],
        }
        figures = {who: Figures() for who in commands}
        for _ in range(options.runs):
            for who, command in commands.items():
                _, cpu, rss = run(command)
                figures[who].wall.append(float(report.read_text()))
                figures[who].cpu.append(cpu)
                figures[who].rss.append(rss)
        peer = figures[f"pyarrow {name}"]
        run([sys.executable, "-c", SAME, *map(str, files)])
        plain = plain or files[1].stat().st_size
        for (who, f), file in zip(figures.items(), reversed(files), strict=True):
            times = statistics.median(a / b for a, b in zip(f.wall, peer.wall, strict=True))
            smaller = 1 - file.stat().st_size / plain
            print(f.line(who), f"  {times:5.2f}x  {file.stat().st_size / 1e6:6.1f} MB, {smaller:4.0%} less than snappy")
        for file in files:
            file.unlink()


if __name__ == "__main__":
    main()
