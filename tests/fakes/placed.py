"""A file of plugins that tests send to a place, and how they read all that a reader of it has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa

from dativo_ingest.model import Stream

PLUGINS = """
import os, time
import pyarrow as pa, pyarrow.parquet as pq
from dativo_ingest.model import CheckResult, DataFile
from dativo_ingest.plugins import BaseReader

class Reader(BaseReader):
    def extract(self, state_manager=None):
        for number in range(3):
            yield [{"id": number * 10 + row, "name": f"n{row}"} for row in range(10)]

class Broken(BaseReader):
    def extract(self, state_manager=None):
        yield [{"id": 1}]
        raise RuntimeError("the source is on fire")

class Hanging(BaseReader):
    def extract(self, state_manager=None):
        for _ in range(3):
            yield pa.record_batch({"id": [os.getpid()]})
            time.sleep(1.2)
        time.sleep(600)

class Writer:
    commits = False
    def __init__(self, asset, target, output_base):
        self.target, self.output_base = target, output_base
    def check(self): return CheckResult(name="connection", passed=True)
    def write(self, batches, base, name):
        table = pa.Table.from_batches(list(batches))
        path = base.removeprefix("file://") + name + ".parquet"
        pq.write_table(table.replace_schema_metadata({"by": os.environ.get("K_SERVICE", "")}), path)
        return [DataFile(path=path, rows=table.num_rows, bytes=1)]  # not its size: whoever brings it home knows better
    def commit(self, token, files): return {}
    def abort(self, files): pass
"""


def rows(opened: AbstractContextManager[Any]) -> list[dict[str, Any]]:
    """Read all units of a reader."""
    with opened as reader:
        stream = Stream(name="lines")
        window = reader.split(stream, None)
        read = [batch for unit in window.units for batch in reader.read(stream, unit)]
        return pa.concat_tables([pa.table(batch) for batch in read]).to_pylist()
