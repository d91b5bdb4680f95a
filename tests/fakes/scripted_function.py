"""A function that says and does what a test wants, over a staging folder on disk; none of ours would do all that."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from dativo_dagster.functions.call import Deployed, Settings
from dativo_dagster.functions.staging import Staging
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.pieces import piece_name
from dativo_ingest.model import PluginRef
from tests.fakes.function_cloud import Cloud


class Scripted(Cloud):
    """Calls ``script`` with the request and its staging folder; gives what that returns, as JSON unless it is bytes."""

    def __init__(self, script, **limits):
        super().__init__(Path(), **limits)
        self.script = script

    def run(self, payload, seconds):
        request = json.loads(payload)
        said = self.script(request, Path(request["staging"]["url"].removeprefix("file://")))
        return said if isinstance(said, bytes) else json.dumps({"dativo": 2, "logs": [], **said}).encode()


def deployed(tmp_path, script, role="reader", settings=None, **config):
    """Deploy a script."""
    return Deployed(
        functions=script if isinstance(script, Cloud) else Scripted(script),
        staging=Staging(url=f"file://{tmp_path}/staging"),
        role=role,
        plugin=PluginRef(path="shop.py", name="Shop"),
        config={"tenant": "t", "job": "j", "stream": {"name": "orders"}, "source": {}, **config},
        settings=settings or Settings(),
    )


def ipc(*batches):
    """Give batches, each a list of numbers, as a piece."""
    sink = pa.BufferOutputStream()
    for numbers in batches:
        batch = pa.record_batch({"n": pa.array(numbers, pa.int64())})
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def lay(folder, number, data):
    """Put a piece, whole or not at all, as a bucket has it; gives its line of the manifest."""
    beside = folder / f"{number}.part"
    beside.write_bytes(data)
    beside.rename(folder / piece_name(number))
    return {"key": piece_name(number), "position": number, **checksum(data)}


def staged(tmp_path):
    """List what lies in the staging folders."""
    return [path for path in (tmp_path / "staging").rglob("*") if path.is_file()]
