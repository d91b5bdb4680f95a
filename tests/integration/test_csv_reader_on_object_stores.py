"""The Rust CSV reader on real object stores: what the built-in reader sees there, streamed by ranges."""

import gzip
import random

import pytest

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import Incremental, SourceContext
from dativo_dagster.config.types import parse_type
from dativo_dagster.connectors.files import Config, Reader
from dativo_dagster.storage.portable import portable
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Column, Stream
from dativo_ingest.native import load_library
from tests.native import native_library

pytestmark = [pytest.mark.integration, pytest.mark.rust]

STREAM = Stream(name="c", columns=(Column(name="n", type="int64"), Column(name="s", type="string")))
CONTRACT = Contract(name="c", fields=tuple(Field(name=c.name, type=parse_type(c.type)) for c in STREAM.columns))


class Place:
    """A prefix in a bucket, read by both readers."""

    def __init__(self, kind, server, prefix):
        self.connection, self.prefix, self.server = {kind: server.connection}, prefix, server
        self.scheme = "s3" if kind == "s3" else "gs"

    def put(self, name, text):
        return self.server.put(f"{self.prefix}/{name}", text)

    def uri(self, name):
        return f"{self.scheme}://{self.server.bucket}/{self.prefix}/{name}"

    def native(self, *files, **options):
        source = {"files": list(files), "connection": self.connection, **options}
        config = {"source": source, "stream": STREAM.to_json(), "base": "/", "object_store": portable(source)}
        return load_library(native_library("csv_reader")).reader("create_reader", config)

    def built_in(self, *files, base, incremental=None):
        context = SourceContext(base=base, contract=CONTRACT, incremental=incremental)
        return Reader(Config.model_validate({"files": list(files), "connection": self.connection}), context)


@pytest.fixture(params=["s3", "gcs"])
def place(request):
    prefix = request.getfixturevalue(f"{request.param}_prefix")
    return Place(request.param, request.getfixturevalue(request.param), prefix)


def rows(reader, window):
    return [r for u in window.units for b in reader.read(STREAM, u) for r in b.to_pylist()]


def test_both_readers_share_units_fingerprints_cursors_and_rows(place, tmp_path):
    place.put("a.csv", b"n,s\n1,x\n")
    place.put("deep/b.csv.gz", gzip.compress(b"n,s\n2,y\n"))
    place.put("other.txt", b"no")
    files = [place.uri("**/*.csv*")]
    by_time = Incremental(strategy="file_modified_time")
    theirs = place.built_in(*files, base=tmp_path, incremental=by_time)
    with place.native(*files, incremental={"strategy": "file_modified_time"}) as ours:
        window = theirs.split(STREAM, None)
        assert ours.split(STREAM, None) == window
        assert ours.split(STREAM, window.after) == theirs.split(STREAM, window.after)
        assert rows(ours, window) == rows(theirs, window) == [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}]


def test_a_path_without_a_scheme_lies_in_the_bucket_of_the_connection(place, tmp_path):
    place.put("a.csv", b"n,s\n1,x\n")
    if place.scheme == "gs":
        place.connection = {"gcs": {**place.connection["gcs"], "bucket": place.server.bucket}}
    file = f"{place.prefix}/a.csv"
    with place.native(file) as ours:
        assert ours.split(STREAM, None) == place.built_in(file, base=tmp_path).split(STREAM, None)


def test_a_large_object_comes_whole_by_ranges(place):
    dice = random.Random(7)
    lines = [f"{dice.randrange(10**12)},{dice.randbytes(30).hex()}\n" for _ in range(150_000)]
    place.put("big.csv", ("n,s\n" + "".join(lines)).encode())
    with place.native(place.uri("big.csv"), block_bytes=300_000) as reader:
        (unit,) = reader.split(STREAM, None).units
        found = [f"{r['n']},{r['s']}\n" for b in reader.read(STREAM, unit) for r in b.to_pylist()]
        assert reader.position(unit) == unit.bytes
    assert found == lines


def test_an_object_that_changes_or_goes_is_a_passing_error(place):
    place.put("a.csv", b"n,s\n1,x\n")
    with place.native(place.uri("a.csv")) as reader:
        (unit,) = reader.split(STREAM, None).units
        place.put("a.csv", b"n,s\n1,y\n2,z\n")
        with pytest.raises(DativoError) as caught:
            list(reader.read(STREAM, unit))
        assert (caught.value.error_code, caught.value.retryable) == ("FILE_CHANGED", True)


def test_a_missing_object_is_told(place):
    with place.native(place.uri("none.csv")) as reader:
        assert reader.check().code == "FILE_NOT_FOUND"


def test_a_missing_bucket_and_wrong_keys_are_told_apart(s3, s3_prefix):
    place = Place("s3", s3, s3_prefix)
    place.put("a.csv", b"n,s\n1,x\n")
    with place.native(f"s3://no-such-{s3_prefix}/a.csv") as reader:
        assert reader.check().code == "BUCKET_NOT_FOUND"
    place.connection = {"s3": {**s3.connection, "secret_access_key": "wrong"}}
    with place.native(place.uri("a.csv")) as reader:
        assert reader.check().code == "ACCESS_DENIED"
