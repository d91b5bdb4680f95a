"""Archives: all members, and a cut one is an error and never a short file."""

import gzip
import io

import pyarrow as pa
import pytest

from dativo_dagster.formats.compression import compression_of, unpack, without_suffix
from dativo_ingest.exceptions import ConfigurationError

TEXT = b"".join(b"%d,row\n" % n for n in range(20_000))


def zstd(data):
    return pa.compress(data, "zstd", asbytes=True)


def read(data, name, compression=None):
    return unpack(io.BytesIO(data), name, compression).read()


@pytest.mark.parametrize(
    ("name", "kind"), [("a.csv", "none"), ("a.csv.gz", "gzip"), ("A.CSV.GZ", "gzip"), ("a.zst", "zstd"), ("gz", "none")]
)
def test_the_name_tells_the_compression(name, kind):
    assert compression_of(name) == kind


def test_the_name_of_what_is_inside():
    assert [without_suffix(n) for n in ("a.csv.gz", "a.csv.ZST", "a.csv")] == ["a.csv", "a.csv", "a.csv"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (TEXT, "a.csv"),
        (gzip.compress(TEXT), "a.csv.gz"),
        (gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]), "a.csv.gz"),
        (gzip.compress(TEXT) + b"\0" * 512, "a.csv.gz"),
        (zstd(TEXT), "a.csv.zst"),
        (zstd(TEXT[:100]) + zstd(TEXT[100:]), "a.csv.zst"),
    ],
)
def test_all_of_it_comes_out(data, name):
    assert read(data, name) == TEXT


def test_an_option_beats_the_name():
    assert read(gzip.compress(TEXT), "a.csv", "gzip") == TEXT
    assert read(TEXT, "a.csv.gz", "none") == TEXT


def test_an_empty_archive_is_an_empty_file():
    assert read(gzip.compress(b""), "a.gz") == b""
    assert read(zstd(b"") or pa.compress(b"", "zstd", asbytes=True), "a.zst") == b""


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d[: len(d) // 2], lambda d: d[:3], lambda d: b""])
def test_a_cut_archive_is_an_error(pack, spoil):
    name = "a.gz" if pack is gzip.compress else "a.zst"
    with pytest.raises(ConfigurationError) as caught:
        read(spoil(pack(TEXT)), name)
    assert caught.value.error_code == "BROKEN_ARCHIVE"
    assert name in caught.value.message


@pytest.mark.parametrize("name", ["a.gz", "a.zst"])
def test_what_is_no_archive_is_an_error(name):
    with pytest.raises(ConfigurationError, match="compression: none"):
        read(TEXT, name)


def test_junk_behind_an_archive_is_an_error():
    for data, name in ((gzip.compress(TEXT) + b"junk", "a.gz"), (zstd(TEXT) + b"junk", "a.zst")):
        with pytest.raises(ConfigurationError):
            read(data, name)
