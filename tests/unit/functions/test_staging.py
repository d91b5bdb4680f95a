"""A staging folder says whose it is, goes with its call, and is found when its host is gone."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from dativo_dagster.functions.staging import Staging
from dativo_dagster.owner import host_label
from dativo_dagster.storage import Storage
from dativo_dagster.storage._disk import Disk
from dativo_ingest.exceptions import PluginError

OWNER = {"tenant": "t", "job": "j", "stream": "s"}


@pytest.fixture
def staging(tmp_path):
    return Staging(url=f"file://{tmp_path}/staging/")


def host(folder, label) -> str:
    folder.put("owner.json", json.dumps({**OWNER, "host": label}).encode())
    return folder.url


def test_a_folder_of_a_host_that_is_gone_is_found_at_once_and_one_of_another_machine_when_it_is_old(staging):
    machine, boot, _, _ = host_label().split("/")
    staging.folder(OWNER)
    gone = host(staging.folder(OWNER), f"{machine}/{boot}/1/0")
    afar = host(staging.folder(OWNER), "another/boot/1/2")
    now = datetime.now(timezone.utc)
    assert [left.name for left in staging.leftovers(now - timedelta(days=1))] == [gone]
    found = {left.name: left for left in staging.leftovers(now + timedelta(seconds=5))}
    assert set(found) == {gone, afar}
    assert (found[gone].owner, found[gone].why) == ("t/j", "its host is gone")
    for left in found.values():
        staging.remove(left)
    assert staging.leftovers(now + timedelta(seconds=5)) == []


@pytest.mark.parametrize("said", [b"no json", b"[]", b"[" * 60_000, b'{"host": 7, "tenant": null}', None])
def test_what_a_function_wrote_over_the_owner_hides_nothing(staging, said):
    folder = staging.folder(OWNER)
    folder.put("000001.arrow", b"rows")
    folder.delete("owner.json") if said is None else folder.put("owner.json", said)
    (left,) = staging.leftovers(datetime.now(timezone.utc) + timedelta(seconds=5))
    assert left.name == folder.url
    assert left.bytes >= 4


def test_what_a_function_wrote_over_the_owner_is_not_read_however_large_it_is(staging):
    folder = staging.folder(OWNER)
    os.truncate(f"{folder.url.removeprefix('file://')}owner.json", 1 << 40)
    (left,) = staging.leftovers(datetime.now(timezone.utc) + timedelta(seconds=5))
    assert left.bytes == 1 << 40


def test_what_others_keep_beside_the_staging_folders_is_no_leftover(staging, tmp_path):
    ours = staging.folder(OWNER)
    for theirs in ("lake/orders.parquet", "README", ours.url.rstrip("/").rpartition("/")[2][:-1] + "/rows"):
        path = tmp_path / "staging" / theirs
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"rows")
    ours.delete("owner.json")
    ours.put("000001.arrow", b"rows")
    assert [left.name for left in staging.leftovers(datetime.now(timezone.utc) + timedelta(seconds=5))] == [ours.url]


def test_a_function_is_claimed_as_long_as_it_is_open(staging):
    with staging.claim(OWNER, "f"):
        assert list(staging.claims()) == [("f", "t")]
        assert staging.leftovers(datetime.now(timezone.utc) + timedelta(seconds=5)) == []
    assert list(staging.claims()) == []


def test_a_claim_of_a_host_that_is_gone_does_not_hold_and_one_of_another_machine_for_a_day(staging, tmp_path):
    machine, boot, _, _ = host_label().split("/")
    for label in (f"{machine}/{boot}/1/0", "another/boot/1/2"):
        staging.folder({**OWNER, "function": label}).put(
            "owner.json", json.dumps({**OWNER, "function": label, "host": label}).encode()
        )
    assert list(staging.claims()) == [("another/boot/1/2", "t")]
    now = datetime.now(timezone.utc)
    assert [left.why for left in staging.leftovers(now + timedelta(seconds=5))] == ["its host is gone"]
    for file in tmp_path.rglob("owner.json"):
        os.utime(file, times=(0, 0))
    assert list(staging.claims()) == []
    assert len(staging.leftovers(now)) == 2


def test_a_call_that_ends_while_somebody_looks_hinders_nobody(staging, monkeypatch):
    find = Disk.find

    def found_and_gone(store, path):
        found = find(store, path)
        if path.endswith("/owner.json"):
            store.delete(path)
        return found

    with staging.claim(OWNER, "f"):
        listed = staging._folders(Storage.open(staging.url))
        monkeypatch.setattr(Staging, "_folders", lambda *_: listed)
        monkeypatch.setattr(Disk, "find", found_and_gone)
        assert list(staging.claims()) == []


def test_an_object_that_is_too_large_is_not_read(staging):
    folder = staging.folder(OWNER)
    folder.put("result.json", b"12345")
    assert folder.get("result.json", 5) == b"12345"
    with pytest.raises(PluginError, match="5 bytes there, and 4 are taken at most"):
        folder.get("result.json", 4)
