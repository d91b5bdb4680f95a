"""``dativo maintain``."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def iceberg(desk, monkeypatch):
    """A table of three runs, each with a file of its own."""
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(desk.path / "lake"))
    file = desk.job()
    file.write_text(file.read_text().replace("{connector: parquet, warehouse: lake, ", "{connector: iceberg, "))
    for n in range(3):
        (desk.path / "data" / f"people{n}.csv").write_text(f"id,email\n{n},a@x\n")
        assert desk("run", "people").code == 0
    return desk


def test_small_files_are_packed_and_what_is_young_stays(iceberg):
    answer = iceberg("maintain", "people")
    assert answer.code == 0
    assert re.search(r"4 files, [\d.]+ kB, now in 1", answer.out)
    assert answer.out.count("nothing to do") == 3


def test_only_what_is_asked_for_is_done_and_a_dry_run_does_nothing(iceberg):
    said = iceberg("maintain", "people", "--expire", "0s", "--keep", "1", "--dry-run", "--json").json
    assert [(d["stream"], d["action"], len(d["names"])) for d in said["done"]] == [("people", "expire", 2)]
    assert said["dry_run"]
    twice = [iceberg("maintain", "people", "--expire", "0s", "--keep", "1", "--json").json["done"] for _ in range(2)]
    assert [len(done["names"]) for (done,) in twice] == [2, 0]
    assert "nothing new" in iceberg("plan", "people").out


def test_a_table_that_needs_no_maintenance_says_so(desk):
    desk.job()
    desk("run", "people")
    answer = desk("maintain", "people")
    assert answer.code == 0
    assert "look after their own files" in answer.out


def test_an_age_that_is_none_is_wrong_use(desk):
    assert desk("maintain", "people", "--orphans", "soon").code == 2
