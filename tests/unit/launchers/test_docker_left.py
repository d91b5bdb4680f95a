"""Which images and locks are left over: those that nobody used for long, and never what this version takes."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.errors import ImageNotFound

from dativo_dagster.launchers.docker.image import last_used, standard
from dativo_dagster.launchers.docker.left import _folders, _images, _locks, find, remove
from dativo_dagster.launchers.docker.locks import alone, folder

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
OURS = {"dativo": "1", "dativo.hash": "0"}


def image(tag, *, born, used=None, labels=OURS):
    metadata = {"LastTagTime": f"{used}T10:00:00.123456789+02:00"} if used else None
    attributes = {"Created": f"{born}T10:00:00.123456789Z", "Size": 3, "Metadata": metadata}
    return SimpleNamespace(id=tag, tags=[tag], labels=labels, attrs=attributes)


def old(images, *used):
    return [left.name for left in _images(images, set(used), NOW - timedelta(days=7))]


def test_an_image_is_old_when_no_job_took_it_for_long():
    assert old([image("a:1", born="2026-01-01", used="2026-02-27")]) == []
    assert old([image("a:1", born="2026-01-01", used="2026-01-02")]) == ["a:1"]
    assert old([image("a:1", born="2026-01-01")]) == ["a:1"]
    assert old([image("a:1", born="2026-02-27", used="0001-01-02")]) == [], "it was loaded and never tagged here"
    assert old([image("a:1", born="2026-01-01")], "a:1") == []
    assert old([image("a:1", born="2026-01-01", labels={"dativo": "1"})]) == []


def test_the_time_of_a_tag_is_in_the_zone_of_the_engine():
    tagged = image("a:1", born="2026-01-01", used="2026-02-27")
    assert last_used(tagged) == datetime(2026, 2, 27, 8, tzinfo=timezone.utc)


def test_the_image_of_this_version_is_never_old_and_what_was_built_from_another_goes_first():
    base, derived = image("a:base", born="2026-01-01"), image("a:derived", born="2026-01-02")
    assert old([base, image(standard(), born="2026-01-01"), derived]) == ["a:derived", "a:base"]


def test_an_image_that_another_removes_or_renames_meanwhile_hinders_nobody():
    there = {"there": image("a:1", born="2026-01-01"), "renamed": SimpleNamespace(tags=[])}

    def inspected(name):
        if name not in there:
            raise ImageNotFound(name)
        return there[name]

    listed = [{"Id": name} for name in ("gone", "renamed", "there")]
    images = SimpleNamespace(get=inspected, list=lambda **_: [inspected(each["Id"]) for each in listed])
    containers = SimpleNamespace(list=lambda **_: [])
    client = SimpleNamespace(api=SimpleNamespace(images=lambda **_: listed), images=images, containers=containers)
    assert [left.name for left in find(client, NOW) if left.kind == "image"] == ["a:1"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("cache")
def test_a_build_leaves_no_lock_and_one_that_was_killed_leaves_one_that_is_collected():
    with alone("whole"):
        assert (folder() / "whole.lock").exists()
    assert list(folder().iterdir()) == []
    for name, age in (("old", 8), ("young", 1)):
        (folder() / f"{name}.lock").touch()
        os.utime(folder() / f"{name}.lock", times=((NOW - timedelta(days=age)).timestamp(),) * 2)
    (folder() / "gone.lock").symlink_to("nowhere")  # as one that goes between two looks
    [left] = _locks(NOW - timedelta(days=7))
    assert (left.kind, left.name) == ("lock", str(folder() / "old.lock"))
    remove(None, left)
    remove(None, left)
    assert sorted(path.name for path in folder().iterdir()) == ["gone.lock", "young.lock"]


def test_a_job_that_ends_while_somebody_looks_hinders_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / "gone", tmp_path]))
    assert [path for path, _ in _folders()] == [tmp_path]


@pytest.mark.usefixtures("cache")
def test_a_build_that_goes_on_keeps_its_lock():
    with alone("slow"):
        os.utime(folder() / "slow.lock", times=(0, 0))
        assert list(_locks(NOW)) == []
        with (folder() / "slow.lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
