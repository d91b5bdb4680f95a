"""What a stranger laid down is opened, measured and removed without following him anywhere."""

from __future__ import annotations

import io
import os
from pathlib import PurePosixPath

import pytest

from dativo_dagster.launchers.docker.laid import clear, laid, measure


def content(root, name, size=4):
    out = io.BytesIO()
    with laid(root, PurePosixPath(name), size) as found:
        found.copy(out, size)
    return out.getvalue()


@pytest.fixture
def root(tmp_path):
    """A folder that a stranger wrote to, beside something that he must not reach."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_bytes(b"1234")
    out = tmp_path / "out"
    (out / "day=1").mkdir(parents=True)
    (out / "day=1" / "a.parquet").write_bytes(b"rows")
    return out


def test_a_file_in_a_folder_is_opened_and_removed(root):
    assert content(root, "day=1/a.parquet") == b"rows"
    with laid(root, PurePosixPath("day=1/a.parquet"), 4) as found:
        found.unlink()
    assert not list(root.rglob("*.parquet"))


@pytest.mark.parametrize("name", ["../secret/key", "day=1/../../secret/key", "/etc/passwd", "", "a\0b", "day=1"])
def test_a_name_that_leads_elsewhere_is_refused(root, name):
    with pytest.raises(ValueError, match=r"is no path|is no file"):
        content(root, name)


@pytest.mark.parametrize(("link", "name"), [("file", "file"), ("folder", "folder/key")])
def test_no_link_is_followed_not_even_in_the_middle_of_a_path(root, link, name):
    (root / "file").symlink_to(root.parent / "secret" / "key")
    (root / "folder").symlink_to(root.parent / "secret")
    with pytest.raises(ValueError, match="no link is followed"):
        content(root, name)


def test_a_pipe_is_no_file_and_is_not_waited_for(root):
    os.mkfifo(root / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        content(root, "pipe", 0)


def test_a_file_of_another_size_is_refused_and_one_that_grows_gives_what_it_had(root):
    with pytest.raises(ValueError, match="is no file of 5 bytes"):
        content(root, "day=1/a.parquet", 5)
    out = io.BytesIO()
    with laid(root, PurePosixPath("day=1/a.parquet"), 4) as found:
        (root / "day=1" / "a.parquet").write_bytes(b"rows and more")
        found.copy(out, 4)
    assert out.getvalue() == b"rows"


def test_a_file_that_shrinks_while_it_is_read_is_refused(root):
    with laid(root, PurePosixPath("day=1/a.parquet"), 4) as found:
        os.truncate(root / "day=1" / "a.parquet", 2)
        with pytest.raises(ValueError, match="lost 2 bytes"):
            found.copy(io.BytesIO(), 4)


def test_bytes_entries_and_depth_are_bounded(root):
    assert measure(root, 100_000)
    (root / "sparse").touch()
    os.truncate(root / "sparse", 1_000_000)
    assert not measure(root, 100_000)
    (root / "sparse").unlink()
    (root / "/".join("d" * 40)).mkdir(parents=True)
    assert not measure(root, 10_000_000)


def test_a_folder_of_any_depth_is_removed_and_no_link_is_followed(root):
    inner = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("deep", dir_fd=inner)
        below = os.open("deep", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    os.symlink(root.parent / "secret", "link", dir_fd=inner)
    os.close(inner)
    (root / "day=1").chmod(0)
    clear(root)
    assert not root.exists()
    assert (root.parent / "secret" / "key").read_bytes() == b"1234"
