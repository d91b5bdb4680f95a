"""P8: a reader of the older JSON ABI as dativo reads it, against the loop that a naive bridge would be.

    python benchmarks/json_abi.py [--rows 2000000] [--runs 5] [--library PATH]

The naive loop calls the library, makes Python objects of each text by `json.loads` and counts them. Ours gives record
batches of the contract's types and keeps every rule of `native_json_reader`. `rows` is what the naive loop costs when
its objects become Arrow, too. The library is the crate `legacy_json`, built by cargo.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from dativo_ingest import native
from dativo_ingest.batches import rows_batch
from dativo_ingest.model import Column, Stream, Unit

TYPES = {"id": "int64", "name": "string", "amount": "double", "active": "boolean", "created_at": "timestamp"}
STREAM = Stream(name="rows", columns=tuple(Column(name=name, type=kind) for name, kind in TYPES.items()))


def config(rows: int) -> dict:
    """Give the configuration of a reader in the older ABI's words."""
    engine = {"options": {"rows": rows, "batch_size": 10_000}}
    words = {"type": "custom", "connection": {}, "credentials": {}, "objects": [], "files": [], "incremental": {}}
    return {**words, "engine": engine}


def texts(path: str, rows: int):
    """Yield what the library gives, as the shortest bridge would."""
    library = ctypes.CDLL(path)
    library.create_reader.restype = library.extract_batch.restype = ctypes.c_void_p
    library.extract_batch.argtypes = library.free_reader.argtypes = library.free_string.argtypes = [ctypes.c_void_p]
    reader = library.create_reader(json.dumps(config(rows)).encode())
    while pointer := library.extract_batch(reader):
        yield ctypes.string_at(pointer)
        library.free_string(pointer)
    library.free_reader(reader)


def bare(path: str, rows: int) -> int:
    """Count Python objects."""
    return sum(len(json.loads(text)) for text in texts(path, rows))


def by_rows(path: str, rows: int) -> int:
    """Count rows of batches made of Python objects."""
    return sum(rows_batch(json.loads(text), STREAM).num_rows for text in texts(path, rows))


def ours(path: str, rows: int) -> int:
    """Count rows of batches as dativo reads them."""
    with native.load_library(path).reader("create_reader", {"source": config(rows)}) as reader:
        return sum(batch.num_rows for batch in reader.read(STREAM, Unit(id="all")))


WAYS = {"bare": bare, "rows": by_rows, "ours": ours}


def _built() -> str:
    from tests.native import native_library

    return str(native_library("legacy_json"))


def main() -> None:
    """Print a table, and ours against the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--library", help="the crate legacy_json, when it is built already")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "LIBRARY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, path = options.one
        found = WAYS[way](path, options.rows)
        sys.exit(0 if found == options.rows else f"{way} counted {found:,} of {options.rows:,} rows")

    from measure import compare, ratio, versions

    path = options.library or _built()
    command = [sys.executable, __file__, "--rows", str(options.rows), "--one"]
    figures = compare({way: [*command, way, path] for way in WAYS}, runs=options.runs)
    print(f"{options.rows:,} rows of five columns, about 98 bytes of JSON each; {versions('pyarrow')}")
    for way, line in {"bare": "json.loads", "rows": "json.loads, then Arrow", "ours": "dativo"}.items():
        print(figures[way].line(line))
    for way in ("bare", "rows"):
        print(f"dativo is {1 / ratio(figures['ours'], figures[way]):.2f} times as fast as {way}")


if __name__ == "__main__":
    main()
