"""A staging folder says whose it is, goes with its call or claim, and is found when its host is gone."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from dativo_dagster.functions.claims import claim, claims, leftovers
from dativo_dagster.functions.staging import Staging
from dativo_dagster.owner import host_label
from dativo_dagster.storage._disk import Disk

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
    assert [left.name for left in leftovers(staging, now - timedelta(days=1))] == [gone]
    found = {left.name: left for left in leftovers(staging, now + timedelta(seconds=5))}
    assert set(found) == {gone, afar}
    assert (found[gone].owner, found[gone].why) == ("t/j", "its host is gone")
    for left in found.values():
        staging.remove(left)
    assert leftovers(staging, now + timedelta(seconds=5)) == []


@pytest.mark.parametrize("said", [b"no json", b"[]", b"[" * 60_000, b'{"host": 7, "tenant": null}', None])
def test_what_a_function_wrote_over_the_owner_hides_nothing(staging, said):
    folder = staging.folder(OWNER)
    folder.put("000001.arrow", b"rows")
    folder.delete("owner.json") if said is None else folder.put("owner.json", said)
    (left,) = leftovers(staging, datetime.now(timezone.utc) + timedelta(seconds=5))
    assert left.name == folder.url
    assert left.bytes >= 4


def test_what_a_function_wrote_over_the_owner_is_not_read_however_large_it_is(staging):
    folder = staging.folder(OWNER)
    os.truncate(f"{folder.url.removeprefix('file://')}owner.json", 1 << 40)
    (left,) = leftovers(staging, datetime.now(timezone.utc) + timedelta(seconds=5))
    assert left.bytes == 1 << 40


def test_what_others_keep_beside_the_staging_folders_is_no_leftover(staging, tmp_path):
    ours = staging.folder(OWNER)
    for theirs in ("lake/orders.parquet", "README", ours.url.rstrip("/").rpartition("/")[2][:-1] + "/rows"):
        path = tmp_path / "staging" / theirs
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"rows")
    ours.delete("owner.json")
    ours.put("000001.arrow", b"rows")
    assert [left.name for left in leftovers(staging, datetime.now(timezone.utc) + timedelta(seconds=5))] == [ours.url]


def test_a_function_is_claimed_as_long_as_it_is_open(staging):
    with claim(staging, OWNER, "f"):
        assert list(claims(staging)) == [("f", "t")]
        assert leftovers(staging, datetime.now(timezone.utc) + timedelta(seconds=5)) == []
    assert list(claims(staging)) == []


def test_a_claim_of_a_host_that_is_gone_does_not_hold_and_one_of_another_machine_for_a_day(staging, tmp_path):
    machine, boot, _, _ = host_label().split("/")
    for label in (f"{machine}/{boot}/1/0", "another/boot/1/2"):
        staging.folder({**OWNER, "function": label}).put(
            "owner.json", json.dumps({**OWNER, "function": label, "host": label}).encode()
        )
    assert list(claims(staging)) == [("another/boot/1/2", "t")]
    now = datetime.now(timezone.utc)
    assert [left.why for left in leftovers(staging, now + timedelta(seconds=5))] == ["its host is gone"]
    for file in tmp_path.rglob("owner.json"):
        os.utime(file, times=(0, 0))
    assert list(claims(staging)) == []
    assert len(leftovers(staging, now)) == 2


def test_a_call_that_ends_while_somebody_looks_hinders_nobody(staging, monkeypatch):
    find = Disk.find

    def found_and_gone(store, path):
        found = find(store, path)
        if path.endswith("/owner.json"):
            store.delete(path)
        return found

    with claim(staging, OWNER, "f"):
        listed = staging.folders()
        monkeypatch.setattr(Staging, "folders", lambda _: listed)
        monkeypatch.setattr(Disk, "find", found_and_gone)
        assert list(claims(staging)) == []
