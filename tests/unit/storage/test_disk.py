"""The disk as a store: files appear whole or not at all, and every failure says what to do."""

import os
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dativo_dagster.storage import local_path, open_storage
from dativo_ingest.exceptions import AuthenticationError, ConfigurationError, TransientError

DISK = open_storage("/")


def give_up(stream):
    with stream:
        stream.write(b"new")
        raise RuntimeError


def names(folder):
    """List a folder with its hidden files."""
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_listed_with_its_uri_size_and_aware_time(tmp_path):
    DISK.write(f"{tmp_path}/a b/ü#?.csv", b"123")
    (found,) = DISK.list(str(tmp_path))
    assert found.path == f"file://{tmp_path}/a b/ü#?.csv"
    assert found.size == 3
    assert abs(datetime.now(timezone.utc) - found.modified) < timedelta(minutes=1)
    assert DISK.stat(found.path) == found
    assert DISK.read(found.path) == b"123"


def test_nothing_is_visible_before_a_file_is_closed(tmp_path):
    path = f"{tmp_path}/x"
    with DISK.open_write(path) as stream:
        stream.write(b"half")
        assert DISK.find(path) is None
        assert list(DISK.list(str(tmp_path))) == []
    assert DISK.read(path) == b"half"


def test_an_exception_leaves_what_was_there_before(tmp_path):
    path = f"{tmp_path}/x"
    DISK.write(path, b"old")
    with pytest.raises(RuntimeError):
        give_up(DISK.open_write(path))
    assert DISK.read(path) == b"old"
    assert names(tmp_path) == ["x"]


def test_a_writer_that_nobody_closes_publishes_nothing(tmp_path):
    stream = DISK.open_write(f"{tmp_path}/x")
    stream.write(b"x")
    del stream
    assert names(tmp_path) == []


def test_of_many_writers_at_once_exactly_one_creates_a_file(tmp_path):
    barrier, won = threading.Barrier(8), []

    def race(n):
        barrier.wait()
        if DISK.put_if_absent(f"{tmp_path}/head", str(n).encode()):
            won.append(n)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert DISK.read(f"{tmp_path}/head") == str(won[0]).encode()
    assert names(tmp_path) == ["head"]


def test_of_many_writers_at_once_exactly_one_replaces_a_file(tmp_path):
    path = f"{tmp_path}/head"
    DISK.write(path, b"old")
    etag, barrier, won = DISK.stat(path).etag, threading.Barrier(8), []

    def race(n):
        barrier.wait()
        if DISK.put_if_match(path, str(n).encode(), etag):
            won.append(n)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert DISK.read(path) == str(won[0]).encode()


def test_a_file_that_is_gone_is_not_replaced(tmp_path):
    assert not DISK.put_if_match(f"{tmp_path}/head", b"x", "some etag")


def test_a_file_that_changed_is_not_read(tmp_path):
    path = f"{tmp_path}/x"
    DISK.write(path, b"old")
    etag = DISK.stat(path).etag
    DISK.write(path, b"new")
    with pytest.raises(TransientError) as caught:
        DISK.open_read(path, etag=etag)
    assert caught.value.error_code == "FILE_CHANGED"
    assert caught.value.retryable


def test_a_range_is_read(tmp_path):
    DISK.write(f"{tmp_path}/x", b"0123456789")
    assert DISK.read_range(f"{tmp_path}/x", 2, 3) == b"234"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("[ab].csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        ("**/*.csv", ["a.csv", "b.csv", "deep/c.csv", "deep/er/d.csv"]),
        ("*/*.csv", ["deep/c.csv"]),
        ("deep/**", ["deep/c.csv", "deep/er/d.csv"]),
        ("a.csv", ["a.csv"]),
        ("a+b(1).txt", ["a+b(1).txt"]),
        ("a+*.txt", ["a+b(1).txt"]),
        ("nothing*", []),
        ("deep", []),
    ],
)
def test_a_glob_names_files_in_order(tmp_path, pattern, expected):
    for name in ("b.csv", "a.csv", "deep/c.csv", "deep/er/d.csv", "a+b(1).txt"):
        DISK.write(f"{tmp_path}/{name}", b"")
    found = [f.path.removeprefix(f"file://{tmp_path}/") for f in DISK.glob(f"{tmp_path}/{pattern}")]
    assert found == expected
    assert [f.path for f in DISK.glob(f"file://{tmp_path}/{pattern}")] == [f"file://{tmp_path}/{n}" for n in expected]


def test_deleting_twice_is_fine(tmp_path):
    DISK.write(f"{tmp_path}/x", b"")
    DISK.delete(f"{tmp_path}/x")
    DISK.delete(f"{tmp_path}/x")
    assert DISK.find(f"{tmp_path}/x") is None


def test_what_is_not_there_and_what_is_a_folder_are_told_apart(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        DISK.read(f"{tmp_path}/x")
    assert caught.value.error_code == "FILE_NOT_FOUND"
    with pytest.raises(ConfigurationError) as caught:
        DISK.stat(f"{tmp_path}/x/y")
    assert caught.value.error_code == "FILE_NOT_FOUND"
    with pytest.raises(ConfigurationError) as caught:
        DISK.read(str(tmp_path))
    assert caught.value.error_code == "NOT_A_FILE"


@pytest.fixture
def locked():
    """A folder that this process may read but not write; root, who may do anything, becomes nobody for the test."""
    me, nobody = os.geteuid(), 65534
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        os.seteuid(me or nobody)
        try:
            yield Path(name)
        finally:
            os.seteuid(me)


def test_a_folder_that_may_not_be_written_is_named(locked):
    with pytest.raises(AuthenticationError) as caught:
        DISK.write(f"{locked}/x", b"")
    assert caught.value.error_code == "ACCESS_DENIED"
    assert str(locked) in caught.value.message


@pytest.mark.parametrize("path", ["taken/one.csv", "taken/deep/one.csv"])
@pytest.mark.parametrize("how", ["write", "put_if_absent"])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path, path, how):
    (tmp_path / "taken").touch()
    with pytest.raises(ConfigurationError) as caught:
        getattr(DISK, how)(f"{tmp_path}/{path}", b"")
    assert caught.value.error_code == "NOT_A_FOLDER"
    assert caught.value.message.startswith(f"{tmp_path}/taken is no folder, and ")
    assert (tmp_path / "taken").is_file()


@pytest.mark.parametrize("uri", ["ftp://host/x", "s3:///key", "gs://"])
def test_what_is_no_storage_is_refused(uri):
    with pytest.raises(ConfigurationError) as caught:
        open_storage(uri)
    assert caught.value.error_code == "UNKNOWN_STORAGE"


def test_a_uri_and_a_path_are_one_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_path("x") == local_path(f"file://{tmp_path}/x") == tmp_path / "x"
