"""Storage and the file connector on real object stores: the same promises as on disk."""

import os
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Incremental, SourceContext
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.files import Config, Reader
from dativo_dagster.storage import open_storage
from dativo_dagster.storage.base import LargerError
from dativo_ingest.exceptions import AuthenticationError, ConfigurationError, TransientError
from dativo_ingest.exceptions import ConnectionError as StorageError
from dativo_ingest.model import Stream

pytestmark = pytest.mark.integration

MB = 1024 * 1024


class Place:
    """A prefix in a bucket, and how to get there."""

    def __init__(self, root, connection):
        self.root, self.connection = root, connection
        self.storage = open_storage(root, connection)


@pytest.fixture(params=["s3", "gcs"])
def place(request):
    server = request.getfixturevalue(request.param)
    prefix = request.getfixturevalue(f"{request.param}_prefix")
    scheme = "s3" if request.param == "s3" else "gs"
    return Place(f"{scheme}://{server.bucket}/{prefix}", {request.param: server.connection})


def give_up(stream, data):
    with stream:
        stream.write(data)
        raise RuntimeError


def test_a_file_comes_back_with_its_facts(place):
    path = f"{place.root}/a b/ü+(1)=x.csv"
    place.storage.write(path, b"123")
    (found,) = place.storage.list(place.root)
    assert (found.path, found.size) == (path, 3)
    assert found.modified.tzinfo is not None
    assert found.etag == place.storage.stat(path).etag
    assert place.storage.read(path) == b"123"
    place.storage.delete(path)
    place.storage.delete(path)
    assert place.storage.find(path) is None


@pytest.mark.parametrize("size", [0, 1, 20 * MB, 45 * MB])
def test_files_of_any_size_are_written_and_read_in_parts(place, size):
    data = os.urandom(min(size, MB)) * (size // MB or 1)
    path = f"{place.root}/big"
    with place.storage.open_write(path) as stream:
        for start in range(0, len(data), 3 * MB):
            stream.write(data[start : start + 3 * MB])
            assert stream.tell() == min(start + 3 * MB, len(data))
        assert place.storage.find(path) is None
    assert place.storage.stat(path).size == len(data)
    assert place.storage.read(path) == data
    if data:
        half = len(data) // 2
        assert place.storage.read_range(path, half, 10) == data[half : half + 10]


@pytest.mark.parametrize("size", [1, 45 * MB])
def test_an_exception_leaves_nothing(place, size):
    path = f"{place.root}/big"
    with pytest.raises(RuntimeError):
        give_up(place.storage.open_write(path), b"x" * size)
    assert place.storage.find(path) is None


def test_reading_jumps(place):
    path = f"{place.root}/x"
    data = os.urandom(20 * MB)
    place.storage.write(path, data)
    with place.storage.open_read(path) as stream:
        stream.seek(-10, os.SEEK_END)
        assert stream.read(100) == data[-10:]
        stream.seek(8 * MB - 5)
        assert stream.read(10) == data[8 * MB - 5 : 8 * MB + 5]
        stream.seek(3)
        assert stream.read(18 * MB) == data[3 : 3 + 18 * MB]


def race(put):
    """Let eight writers start at once and give what those wrote that were told they won."""
    barrier, won = threading.Barrier(8), []

    def write(data):
        barrier.wait()
        if put(data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(b"%d" % n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_of_many_writers_at_once_exactly_one_creates_a_file(place):
    path = f"{place.root}/head"
    assert race(lambda data: place.storage.put_if_absent(path, data)) == [place.storage.read(path)]


def test_of_many_writers_at_once_exactly_one_replaces_a_file(place):
    path = f"{place.root}/head"
    place.storage.write(path, b"old")
    etag = place.storage.stat(path).etag
    assert race(lambda data: place.storage.put_if_match(path, data, etag)) == [place.storage.read(path)]
    assert not place.storage.put_if_match(path, b"late", etag)
    assert not place.storage.put_if_match(f"{path}-gone", b"x", etag)


def test_a_file_that_changed_is_not_read(place):
    path = f"{place.root}/x"
    place.storage.write(path, b"old")
    etag = place.storage.stat(path).etag
    stream = place.storage.open_read(path, etag=etag)
    place.storage.write(path, b"new")
    for read in (stream.read, lambda: place.storage.open_read(path, etag=etag)):
        with pytest.raises(TransientError) as caught:
            read()
        assert caught.value.error_code == "FILE_CHANGED"


def test_a_missing_file_is_named(place):
    with pytest.raises(ConfigurationError, match="nothing") as caught:
        place.storage.read(f"{place.root}/nothing")
    assert caught.value.error_code == "FILE_NOT_FOUND"


def test_what_may_be_there_is_read_whole_up_to_its_bound(place):
    path = f"{place.root}/x"
    assert place.storage.read_if_there(path, 3) is None
    for data in (b"", b"123"):
        place.storage.write(path, data)
        assert place.storage.read_if_there(path, 3) == data
    with pytest.raises(LargerError) as caught:
        place.storage.read_if_there(path, 2)
    assert caught.value.size == 3


def test_a_missing_bucket_is_told_from_a_missing_file(s3):  # fake-gcs-server answers 500 where Google says NoSuchBucket
    storage = open_storage("s3://no-such-bucket", {"s3": s3.connection})
    for use in (
        lambda: storage.stat("s3://no-such-bucket/x"),
        lambda: list(storage.list("s3://no-such-bucket")),
        lambda: storage.read_if_there("s3://no-such-bucket/x", 1),
        lambda: storage.write("s3://no-such-bucket/x", b"x"),
    ):
        with pytest.raises(ConfigurationError, match="no-such-bucket") as caught:
            use()
        assert caught.value.error_code == "BUCKET_NOT_FOUND"


@pytest.mark.parametrize("wrong", ["access_key_id", "secret_access_key"])
def test_wrong_keys_are_refused_and_not_told(s3, s3_prefix, wrong):
    storage = open_storage(f"s3://{s3.bucket}", {"s3": {**s3.connection, wrong: "wrong-and-secret"}})
    for use in (
        lambda: storage.stat(f"s3://{s3.bucket}/{s3_prefix}/x"),
        lambda: storage.write(f"s3://{s3.bucket}/{s3_prefix}/x", b"x"),
        lambda: storage.glob(f"s3://{s3.bucket}/{s3_prefix}/*"),
    ):
        with pytest.raises(AuthenticationError) as caught:
            use()
        assert caught.value.error_code == "ACCESS_DENIED"
        assert s3.secret_key not in str(caught.value)
        assert "wrong-and-secret" not in str(caught.value) or wrong == "access_key_id"


def test_keys_that_may_only_read_may_not_write(s3, s3_prefix):
    reader = {
        **s3.connection,
        "access_key_id": s3.read_only_access_key,
        "secret_access_key": s3.read_only_secret_key,
    }
    storage = open_storage(f"s3://{s3.bucket}", {"s3": reader})
    assert storage.glob(f"s3://{s3.bucket}/{s3_prefix}/*") == []
    for size in (1, 20 * MB):
        with pytest.raises(AuthenticationError), storage.open_write(f"s3://{s3.bucket}/{s3_prefix}/x") as stream:
            stream.write(b"x" * size)


def test_keys_may_come_from_the_environment(s3, s3_prefix, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    storage = open_storage(f"s3://{s3.bucket}", {"s3": {"endpoint": s3.endpoint}})
    storage.write(f"s3://{s3.bucket}/{s3_prefix}/x", b"x")
    assert storage.read(f"s3://{s3.bucket}/{s3_prefix}/x") == b"x"


@pytest.mark.parametrize(
    ("uri", "kind"),
    [("s3://lake/x", {"s3": {"access_key_id": "a", "secret_access_key": "b"}}), ("gs://lake/x", {"gcs": {}})],
)
def test_an_endpoint_that_is_not_there_fails_in_seconds(uri, kind):
    ((name, settings),) = kind.items()
    started = time.monotonic()
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        open_storage(uri, {name: {**settings, "endpoint": "http://127.0.0.1:9", "anonymous": not settings}}).stat(uri)
    assert caught.value.retryable
    assert time.monotonic() - started < 15


def reader(place, files, **options):
    fields = {"id": "int64", "name": "string"}
    contract = Contract(name="p", fields=tuple(Field(name=n, type=parse_type(t)) for n, t in fields.items()))
    incremental = Incremental(strategy="file_modified_time")
    config = Config.model_validate({"files": files, "connection": place.connection, **options})
    return Reader(config, SourceContext(base=Path(), contract=contract, incremental=incremental))


def test_the_connector_reads_globs_of_every_format(place):
    table = pa.table({"id": pa.array(range(100_000)), "name": [f"Zoë {n}" for n in range(100_000)]})
    with place.storage.open_write(f"{place.root}/in/c.parquet") as stream:
        pq.write_table(table, stream)
    lines = "".join(f"{n},Zoë {n}\n" for n in range(100_000))
    place.storage.write(f"{place.root}/in/a.csv", ("id,name\n" + lines).encode())
    place.storage.write(f"{place.root}/in/b.csv.zst", pa.compress(("id,name\n" + lines).encode(), "zstd", asbytes=True))
    source, stream = reader(place, [f"{place.root}/in/*"]), Stream(name="p")
    window = source.split(stream, None)
    assert [u.id.rsplit("/", 1)[1] for u in window.units] == ["a.csv", "b.csv.zst", "c.parquet"]
    for unit in window.units:
        assert pa.Table.from_batches(source.read(stream, unit)).equals(table)
    assert source.split(stream, window.after).units == ()
    assert source.check().passed


def test_relative_paths_lie_in_the_bucket_of_the_connection(place):
    place.storage.write(f"{place.root}/a.csv", b"id,name\n1,x\n")
    relative = place.root.split("/", 3)[3] + "/a.csv"
    source = reader(place, [relative])
    (unit,) = source.split(Stream(name="p"), None).units
    assert unit.id == relative
    assert [b.num_rows for b in source.read(Stream(name="p"), unit)] == [1]


def test_an_object_that_changes_after_it_was_planned_is_a_passing_error(place):
    place.storage.write(f"{place.root}/a.csv", b"id,name\n1,x\n")
    source = reader(place, [f"{place.root}/a.csv"])
    (unit,) = source.split(Stream(name="p"), None).units
    place.storage.write(f"{place.root}/a.csv", b"id,name\n2,y\n")
    with pytest.raises(TransientError):
        list(source.read(Stream(name="p"), unit))
