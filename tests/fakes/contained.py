"""Plugins that tests open in containers, and how they are opened, read and looked for."""

from __future__ import annotations

import os
import uuid

import pytest

from dativo_dagster.launchers.docker import Config, Launcher
from dativo_ingest.exceptions import SandboxError
from dativo_ingest.model import PluginRef, Stream, Unit

STREAM, UNIT = Stream(name="orders"), Unit(id="all")
JOB = os.environ.setdefault("DATIVO_TEST_JOB", f"test_docker-{uuid.uuid4().hex[:12]}")
"""Of this session and its hosts alone: others may use the engine, or were killed in it."""
DEFAULTS = Config()
READER = """
import os, sys, time
import pyarrow as pa
from dativo_ingest import BaseReader
from dativo_ingest.exceptions import RateLimitError
from beside import ROWS

class Reader(BaseReader):
    def extract(self, state_manager=None):
        getattr(self, self.source_config.connection["do"])()
        for number in range(self.source_config.connection.get("batches", 3)):
            yield pa.record_batch({"id": list(range(number * ROWS, (number + 1) * ROWS))})
        if self.source_config.connection.get("then_wait"):
            time.sleep(600)

    def rows(self):
        print("said in the container", flush=True)

    def fails(self):
        raise RateLimitError("come again", details={"after": 3})

    def eats(self):
        kept = bytearray(400 << 20)
        for at in range(0, len(kept), 4096):
            kept[at] = 1

    def sleeps(self):
        time.sleep(600)

    def exits(self):
        os._exit(255)

    def sees(self):
        found = sorted(os.listdir("/plugin")) + sorted(os.environ)
        raise ValueError(" ".join(found))

    def links(self):
        with open("/proc/net/dev") as table:
            raise ValueError(table.read())

    def makes_folder(self):
        os.mkdir("/tmp/made")

    def imports(self):
        import six
        raise ValueError(f"six {six.__version__}")
"""
WRITER = """
import os, time
from pathlib import Path
import pyarrow.parquet as pq
import pyarrow as pa
from dativo_ingest.model import CheckResult, DataFile

class Writer:
    def __init__(self, asset, target, base):
        self.does, self.base = target.engine, base
        self.commits = bool(self.does.get("commits"))
        self.told = target.connection

    def check(self):
        return CheckResult(name="target", passed=True, message=str(self.told))

    def write(self, batches, base, name):
        path = Path(base.removeprefix("file://"), name + ".parquet")
        rows = pa.Table.from_batches(list(batches))
        if self.does.get("names"):
            path.write_bytes(b"1234")
            return [DataFile(path=self.does["names"], rows=1, bytes=4)]
        if self.does.get("lays"):
            path = Path(base.removeprefix("file://"), self.does["lays"])
            path.write_bytes(b"1234")
            return [DataFile(path=str(path), rows=1, bytes=4)]
        while self.does.get("hangs"):
            print("hangs", flush=True)
            time.sleep(0.1)
        while self.does.get("floods"):
            with open(path, "ab") as out:
                out.write(bytes(1 << 20))
        if self.does.get("link"):
            os.symlink(self.does["link"], path)
            return [DataFile(path=str(path), rows=1, bytes=self.does["bytes"])]
        pq.write_table(rows, path)
        return [DataFile(path=str(path), rows=rows.num_rows, bytes=path.stat().st_size)]

    def commit(self, token, files):
        Path(self.base, "committed").write_text(token)
        return {"token": token}

    def abort(self, files):
        pass
"""


def lay(folder, reader=READER, rows=1000):
    """Lay the plugins down, with something beside them that is none of their business."""
    (folder / "plugin.py").write_text(reader)
    (folder / "beside.py").write_text(f"ROWS = {rows}\n")
    (folder / "writer.py").write_text(WRITER)
    (folder / ".env").write_text("SECRET=sk-1")


def ours(client):
    return client.containers.list(all=True, filters={"label": f"dativo.job={JOB}"}, ignore_removed=True)


def reading(folder, do="rows", limits=DEFAULTS, **connection):
    source = {"type": "custom", "connection": {"do": do, **connection}}
    config = {"source": source, "stream": STREAM.to_json(), "tenant": "acme", "job": JOB}
    return Launcher(limits).reader(PluginRef(path=str(folder / "plugin.py"), name="Reader"), config)


def writing(folder, limits=DEFAULTS, connection=None, **does):
    config = {
        "target": {"type": "custom", "connection": connection, "engine": does},
        "asset": {"name": "orders"},
        "output_base": str(folder / "table"),
        "stream": STREAM.to_json(),
        "tenant": "acme",
        "job": JOB,
        "commits": bool(does.get("commits")),
    }
    return Launcher(limits).writer(PluginRef(path=str(folder / "writer.py"), name="Writer"), config)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def read_all(reader):
    return list(reader.read(STREAM, UNIT))


def failing(folder, do, limits=DEFAULTS, error=SandboxError):
    with pytest.raises(error) as caught, reading(folder, do, limits) as reader:
        read_all(reader)
    return caught.value


def ended(reader):
    """Give the code of the error that a read ends with."""
    with pytest.raises(SandboxError) as caught:
        read_all(reader)
    return caught.value.error_code
