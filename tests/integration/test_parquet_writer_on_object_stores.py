"""The Rust writer on real object stores: multipart uploads, nothing left of a failure, its own manifest."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.storage import open_storage
from dativo_dagster.storage.portable import portable
from dativo_ingest.exceptions import DativoError
from dativo_ingest.native import load_library
from tests.native import native_library

pytestmark = [pytest.mark.integration, pytest.mark.rust]


class Place:
    """A prefix in a bucket, and the writer's configuration for it."""

    def __init__(self, root, connection):
        self.root, self.storage = root, open_storage(root, connection)
        self.config = {
            "target": {"compression": "none", "row_group_bytes": 1 << 20},
            "output_base": root,
            "commits": True,
            "object_store": portable({"path": root, "connection": connection}),
        }

    def writer(self):
        return load_library(native_library("parquet_writer")).writer("create_writer", self.config)

    def names(self):
        return [found.path.removeprefix(f"{self.root}/") for found in self.storage.list(self.root)]


@pytest.fixture(params=["s3", "gcs"])
def place(request):
    server = request.getfixturevalue(request.param)
    prefix = request.getfixturevalue(f"{request.param}_prefix")
    scheme = "s3" if request.param == "s3" else "gs"
    return Place(f"{scheme}://{server.bucket}/{prefix}", {request.param: server.connection})


def noise(megabytes):
    data = random.Random(7).randbytes(megabytes << 20)
    return pa.table({"data": [data[at : at + 4096] for at in range(0, len(data), 4096)]})


def test_a_file_of_several_parts_is_read_back_and_committed(place):
    table = noise(20)
    with place.writer() as writer:
        assert writer.check().passed
        made = writer.write(table.to_batches(max_chunksize=100), f"{place.root}/", "part")
        writer.commit("token", made)
    assert place.names() == ["_dativo_manifest-token.json", "part-00001.parquet"]
    with place.storage.open_read(made[0].path) as stream:
        assert pq.read_table(stream).equals(table)


def test_nothing_is_left_when_the_rows_break_off(place):
    def batches():
        yield from noise(20).to_batches(max_chunksize=100)
        raise RuntimeError

    with place.writer() as writer, pytest.raises(RuntimeError):
        writer.write(batches(), f"{place.root}/", "part")
    assert place.names() == []


def test_a_check_with_a_wrong_key_fails_and_does_not_tell_it(s3, s3_prefix):
    place = Place(f"s3://{s3.bucket}/{s3_prefix}", {"s3": s3.connection})
    place.config["object_store"]["s3"]["secret_access_key"] = "wrong"
    with place.writer() as writer:
        result = writer.check()
        with pytest.raises(DativoError) as caught:
            writer.write(noise(1).to_batches(), f"{place.root}/", "part")
    assert not result.passed
    assert "wrong" not in result.message + caught.value.message
