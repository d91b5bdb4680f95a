"""Quarantined rows come back once, whatever happens between the two commits."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.job import Merge
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import OURS, open_quarantine, open_table
from dativo_dagster.pipeline.jobs import run_job
from dativo_dagster.pipeline.maintain import collect_garbage
from dativo_dagster.pipeline.replay import export, replay
from dativo_dagster.pipeline.replayfile import fixes
from dativo_dagster.tables.files.quarantine import Quarantine
from dativo_ingest.exceptions import ConfigurationError, ValidationError

JOB = """\
name: people
tenant: acme
source: {connector: csv, files: ["data/*.csv"], incremental: file_modified_time}
target: %(target)s
contract:
  name: people
  schema:
    - {name: id, type: int64, required: true}
    - {name: email, type: string, pattern: "%(pattern)s"}
    - {name: paid, type: "decimal(8,2)"}
    - {name: at, type: "timestamptz[us]"}
validation: quarantine
"""
TARGETS = {
    "files": "{connector: parquet, path: lake/people, table: shop.people%s}",
    "iceberg": "{connector: iceberg, table: shop.people%s}",
}
ROWS = """\
id,email,paid,at
1,a@x,1.10,2026-01-01T10:00:00.123456Z
2,b,2.20,2026-01-02T10:00:00Z
3,c,0.10,
x,d@x,4.40,2026-01-04T10:00:00Z
"""


class Desk:
    """A folder with a job, whose contract can be mended."""

    def __init__(self, path: Path, target: str) -> None:
        self.path, self.target = path, target
        (path / "data").mkdir()
        self.write()
        self.source("one", ROWS)

    def write(self, pattern: str = "@", more: str = "") -> None:
        text = JOB % {"target": TARGETS[self.target] % more, "pattern": pattern}
        (self.path / "people.yaml").write_text(text)

    def source(self, name: str, rows: str) -> None:
        (self.path / "data" / f"{name}.csv").write_text(rows)

    @property
    def job(self):
        return load_job(self.path / "people.yaml")

    def run(self):
        (result,) = run_job(self.job).streams
        assert result.error is None, result.error
        return result

    def replay(self, **more):
        job = self.job
        return replay(job, job.streams[0], by="ana", **more)

    def rows(self) -> list[dict]:
        job = self.job
        found = [r for b in open_table(job, job.streams[0]).scan() for r in b.to_pylist()]
        return sorted(found, key=lambda r: r["id"])

    def ids(self) -> list[int]:
        return [r["id"] for r in self.rows()]

    def kept(self) -> list[dict]:
        job = self.job
        quarantine = open_quarantine(job, job.streams[0], open_table(job, job.streams[0]))
        return [r for b in quarantine.scan() for r in b.to_pylist()]

    def exported(self) -> list[dict]:
        job, path = self.job, self.path / "rows.jsonl"
        export(job, job.streams[0], path)
        return [json.loads(line) for line in path.read_text().splitlines()]

    def fixed(self, *lines: dict):
        path = self.path / "fixed.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return fixes(path)


@pytest.fixture(params=["files", "iceberg"])
def desk(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "warehouse"))
    made = Desk(tmp_path, request.param)
    assert made.run().counts.rejected == 3
    return made


def test_rows_that_the_contract_now_takes_land_and_the_others_stay_as_they_were(desk):
    before = {r["record"]: r for r in desk.kept()}
    desk.write(pattern=".")
    result = desk.replay()

    assert (result.status, result.examined, result.landed, result.remaining) == ("replayed", 3, 2, 1)
    assert desk.ids() == [1, 2, 3]
    assert [str(r["paid"]) for r in desk.rows()] == ["1.10", "2.20", "0.10"]
    assert desk.rows()[1]["at"] == datetime(2026, 1, 2, 10, tzinfo=timezone.utc)
    (left,) = desk.kept()
    assert left == before[left["record"]]
    assert left["line"] is not None or left["row"] == 4


def test_a_replay_again_finds_nothing_more_to_do(desk):
    desk.write(pattern=".")
    desk.replay()
    again = desk.replay()
    assert (again.status, again.landed, again.remaining) == ("nothing", 0, 1)
    assert desk.ids() == [1, 2, 3]
    assert len(desk.kept()) == 1


def test_what_is_still_wrong_is_said_by_the_contract_of_today(desk):
    desk.write(pattern="^b$")
    result = desk.replay()
    assert (result.landed, result.remaining) == (1, 2)
    assert {v.rule for v in result.violations} == {"id_type", "email_pattern"}
    (left,) = [r for r in desk.kept() if r["column"] == "email"]
    assert "^b$" in left["reason"]


def test_a_dry_run_changes_nothing(desk):
    desk.write(pattern=".")
    result = desk.replay(dry_run=True)
    assert (result.status, result.landed, result.remaining) == ("dry_run", 2, 1)
    assert desk.ids() == [1]
    assert len(desk.kept()) == 3
    assert desk.replay().landed == 2


def test_a_mended_row_takes_the_place_of_its_own_and_of_no_other(desk):
    (wrong,) = [line for line in desk.exported() if line["column"] == "id"]
    wrong["record"]["id"] = 4
    result = desk.replay(fixes=desk.fixed(wrong))
    assert (result.landed, result.remaining) == (1, 2)
    assert desk.ids() == [1, 4]
    assert {json.loads(r["record"])["id"] for r in desk.kept()} == {"2", "3"}


def test_a_row_that_was_mended_in_vain_stays_as_it_came(desk):
    before = sorted(desk.kept(), key=str)
    (wrong,) = [line for line in desk.exported() if line["column"] == "id"]
    result = desk.replay(fixes=desk.fixed({**wrong, "record": {"id": "still wrong"}}))
    assert (result.status, result.landed, result.remaining) == ("nothing", 0, 3)
    assert sorted(desk.kept(), key=str) == before


def test_a_dropped_row_is_gone_and_the_reason_is_on_record(desk):
    (wrong,) = [line for line in desk.exported() if line["column"] == "id"]
    result = desk.replay(fixes=desk.fixed({"id": wrong["id"], "drop": True, "reason": "a test of theirs"}))
    assert (result.status, result.landed, result.dropped, result.remaining) == ("replayed", 0, 1, 2)
    assert desk.ids() == [1]
    record = json.loads(Path(f"{result.quarantine}/{result.record}".removeprefix("file://")).read_text())
    assert record["by"] == "ana"
    assert [(d["id"], d["reason"]) for d in record["dropped"]] == [(wrong["id"], "a test of theirs")]
    assert "d@x" not in json.dumps(record)


def test_a_mended_row_that_is_not_there_any_more_refuses_the_whole_file(desk):
    lines = desk.exported()
    desk.replay(fixes=desk.fixed({"id": lines[0]["id"], "drop": True, "reason": "x"}))
    with pytest.raises(ValidationError) as caught:
        desk.replay(fixes=desk.fixed(*({"id": line["id"], "drop": True, "reason": "x"} for line in lines)))
    assert caught.value.error_code == "UNKNOWN_FIX"
    assert len(desk.kept()) == 2


def test_a_record_that_never_was_a_row_comes_back_only_mended(desk):
    desk.source("two", "id,email,paid,at\n7,e@x,1,2026-01-01T00:00:00Z,too many\n")
    desk.run()
    (corrupt,) = [line for line in desk.exported() if line["rule"] == "record_corrupt"]
    assert isinstance(corrupt["record"], str)
    desk.write(pattern=".")
    assert desk.replay().remaining == 2
    corrupt["record"] = {"id": 7, "email": "e@x", "paid": 1}
    assert desk.replay(fixes=desk.fixed(corrupt)).landed == 1
    assert desk.ids() == [1, 2, 3, 7]


def test_rejects_of_a_run_meanwhile_are_not_lost(desk):
    desk.write(pattern=".")
    job = desk.job
    quarantine = open_quarantine(job, job.streams[0], open_table(job, job.streams[0]))
    segments = quarantine.kept("acme.people.people")
    desk.source("two", "id,email,paid,at\ny,e@x,1,\n")
    desk.run()
    assert len(quarantine.kept("acme.people.people")) == len(segments) + 1
    desk.replay()
    assert sorted(json.loads(r["record"])["id"] for r in desk.kept()) == ["x", "y"]


def test_ids_of_rows_stay_when_others_have_left(desk):
    before = {line["id"]: line["record"] for line in desk.exported()}
    desk.write(pattern=".")
    desk.replay()
    (left,) = desk.exported()
    assert before[left["id"]] == left["record"]


KILLED = """
import os, signal, sys
from pathlib import Path
from dativo_dagster.storage._disk import Disk
from dativo_dagster.config.job import Merge
from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.replay import replay

at, number = sys.argv[1], int(sys.argv[2])
seen = 0

def deadly(real):
    def put(self, path, *rest):
        global seen
        if at in path:
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(self, path, *rest)
    return put

Disk.put_if_match = deadly(Disk.put_if_match)
Disk.write = deadly(Disk.write)
job = load_job(Path("people.yaml"))
replay(job, job.streams[0], by="ana")
"""


@pytest.mark.parametrize("at", ["_quarantine/_dativo/manifest.json", "_quarantine/_dativo/segments"])
def test_a_replay_that_was_killed_between_its_commits_is_ended_by_the_next(desk, at):
    desk.write(pattern=".")
    child = subprocess.run([sys.executable, "-c", KILLED, at, "1"], cwd=desk.path, check=False, capture_output=True)
    assert child.returncode == -9, child.stderr.decode()
    assert desk.ids() == [1, 2, 3]
    assert len(desk.kept()) == 3

    later = datetime.now(timezone.utc) + timedelta(days=30)
    job = desk.job
    collect_garbage(job, job.streams[0], older_than=later, delete=True)

    result = desk.replay()
    assert result.finished
    assert (result.status, result.landed, result.remaining) == ("nothing", 0, 1)
    assert desk.ids() == [1, 2, 3]
    assert [json.loads(r["record"])["id"] for r in desk.kept()] == ["x"]
    assert not desk.replay().finished


def test_two_that_end_the_same_replay_at_once_do_not_hinder_each_other(desk, monkeypatch):
    desk.write(pattern=".")
    at = "_quarantine/_dativo/manifest.json"
    child = subprocess.run([sys.executable, "-c", KILLED, at, "1"], cwd=desk.path, check=False, capture_output=True)
    assert child.returncode == -9, child.stderr.decode()
    noted, others = Quarantine._noted, [desk.replay]

    def noted_while_another_ends_it(self, path):
        found = noted(self, path)
        if others:
            assert others.pop()().finished
        return found

    monkeypatch.setattr(Quarantine, "_noted", noted_while_another_ends_it)
    assert not desk.replay().finished
    assert others == []
    assert desk.ids() == [1, 2, 3]
    assert [json.loads(r["record"])["id"] for r in desk.kept()] == ["x"]


def test_a_replay_that_was_killed_before_its_first_commit_never_was(desk):
    desk.write(pattern=".")
    at = "_quarantine/_dativo/replays"
    child = subprocess.run([sys.executable, "-c", KILLED, at, "1"], cwd=desk.path, check=False, capture_output=True)
    assert child.returncode == -9, child.stderr.decode()
    assert desk.ids() == [1]
    assert desk.replay().landed == 2
    assert desk.ids() == [1, 2, 3]
    assert len(desk.kept()) == 1


def test_a_mended_file_that_was_taken_by_a_killed_replay_is_not_an_error_the_next_time(desk):
    (wrong,) = [line for line in desk.exported() if line["column"] == "id"]
    wrong["record"]["id"] = 4
    mended = desk.fixed(wrong)
    desk.replay(fixes=mended)
    with pytest.raises(ValidationError):
        desk.replay(fixes=mended)
    assert desk.ids() == [1, 4]


def test_two_replays_at_once_give_one_result(desk):
    desk.write(pattern=".")
    results, errors = [], []
    barrier = threading.Barrier(3)

    def work():
        barrier.wait()
        try:
            results.append(desk.replay())
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert desk.ids() == [1, 2, 3]
    assert sum(r.landed for r in results) == 2
    assert [json.loads(r["record"])["id"] for r in desk.kept()] == ["x"]


@pytest.mark.parametrize("target", ["files", "iceberg"])
def test_an_older_row_does_not_come_over_a_newer_one_of_a_merge(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "warehouse"))
    desk, merging = Desk(tmp_path, target), ", mode: merge, key: id, order_by: at"
    desk.write(more=merging)
    desk.source("one", "id,email,paid,at\n2,b,1,2026-01-02T10:00:00Z\n5,e,1,2026-01-05T10:00:00Z\n")
    desk.run()
    desk.source("two", "id,email,paid,at\n2,b@x,1,2026-02-01T10:00:00Z\n")
    desk.run()
    desk.write(pattern=".", more=merging)
    result = desk.replay()
    assert (result.landed, result.remaining) == (2, 0)
    assert [(r["id"], r["email"]) for r in desk.rows()] == [(2, "b@x"), (5, "e")]
    assert desk.kept() == []


def test_replayed_rows_of_an_audited_table_are_public_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(tmp_path / "warehouse"))
    desk = Desk(tmp_path, "iceberg")
    desk.run()
    desk.write(pattern=".", more=", publish: audited")
    result = desk.replay()
    assert (result.landed, result.snapshot.branch) == (2, "")
    assert desk.ids() == [1, 2, 3]
    assert len(desk.kept()) == 1


@pytest.mark.parametrize(
    ("mode", "order", "fine"),
    [
        ("merge", "id", True),
        ("merge", None, False),
        ("scd2", "at", True),
        ("scd2", "id", False),
        ("scd2", None, False),
        ("overwrite", None, False),
        ("overwrite_partitions", None, False),
    ],
)
def test_a_late_row_needs_a_place_in_the_table(tmp_path, monkeypatch, mode, order, fine):
    monkeypatch.chdir(tmp_path)
    job = Desk(tmp_path, "files").job
    (stream,) = job.streams
    merge = Merge(key=("id",), order_by=order) if mode in ("merge", "scd2") else None
    stream = dataclasses.replace(stream, target=dataclasses.replace(stream.target, mode=mode, merge=merge))
    if fine:
        assert replay(job, stream, by="ana").status == "nothing"
        return
    with pytest.raises(ConfigurationError) as caught:
        replay(job, stream, by="ana")
    assert caught.value.error_code == "REPLAY_REFUSED"


TYPES = """\
tenant: acme
source: {connector: parquet, files: [all.parquet]}
target: {connector: parquet, path: all, table: shop.all}
validation: quarantine
contract:
  name: all
  schema:
    - {name: i, type: int64, %s}
    - {name: u, type: uint64}
    - {name: d, type: "decimal(38,10)"}
    - {name: f, type: float64}
    - {name: b, type: boolean}
    - {name: s, type: string}
    - {name: x, type: binary}
    - {name: day, type: date}
    - {name: clock, type: "time[us]"}
    - {name: t, type: "timestamp[us]"}
    - {name: z, type: "timestamptz[us]"}
    - {name: l, type: "list<struct<a: int64, b: string>>"}
    - {name: j, type: json}
"""


def test_every_type_comes_back_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = {
        "i": 2**63 - 1,
        "u": 2**64 - 1,
        "d": Decimal("1234567890123456789012345678.0123456789"),
        "f": 0.1 + 0.2,
        "b": True,
        "s": 'ä"\\\n\u2028',
        "x": b"\x00\xff",
        "day": date(1969, 7, 20),
        "clock": time(23, 59, 59, 999999),
        "t": datetime(2026, 1, 1, 0, 0, 0, 1),  # noqa: DTZ001 - a column without a time zone
        "z": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc),
        "l": [{"a": 2**53 + 1, "b": None}, None],
        "j": '{"n": 1.10}',
    }
    types = {
        "u": pa.uint64(),
        "d": pa.decimal128(38, 10),
        "clock": pa.time64("us"),
        "l": pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())])),
    }
    pq.write_table(pa.table({key: pa.array([value], types.get(key)) for key, value in row.items()}), "all.parquet")
    path = tmp_path / "all.yaml"
    path.write_text(TYPES % "maximum: 5")
    (result,) = run_job(load_job(path)).streams
    assert (result.error, result.counts.rejected) == (None, 1)

    path.write_text(TYPES % "minimum: 5")
    job = load_job(path)
    result = replay(job, job.streams[0], by="ana")
    assert (result.landed, result.violations) == (1, ())
    (found,) = [r for b in open_table(job, job.streams[0]).scan() for r in b.to_pylist()]
    assert found == row


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"record": {}}',
        '{"id": "a"}',
        '{"id": "a", "record": 7}',
        '{"id": "a", "drop": true}',
        '{"id": "a", "record": {}}\n{"id": "a", "record": {}}',
    ],
)
def test_a_file_of_mended_rows_that_is_none_is_refused_with_its_line(tmp_path, line):
    path = tmp_path / "fixed.jsonl"
    path.write_text(line)
    with pytest.raises(ConfigurationError, match="line") as caught:
        fixes(path)
    assert caught.value.error_code == "BAD_FIXED_FILE"


def test_a_replay_that_another_follows_before_it_hears_that_it_landed_keeps_its_rows(desk):
    desk.run()
    desk.write(pattern="@|b")
    job, done = desk.job, []

    class Overtaken:
        """A table whose answer comes after another whole replay."""

        def __init__(self, table):
            self.table = table

        def __getattr__(self, name):
            return getattr(self.table, name)

        def commit(self, staged):
            snapshot = self.table.commit(staged)
            desk.write(pattern="@|b|c")
            done.append(desk.replay())
            return snapshot

    openers = dataclasses.replace(OURS, table=lambda job, stream: Overtaken(open_table(job, stream)))
    told = replay(job, job.streams[0], by="eva", openers=openers)

    assert (told.status, told.landed, done[0].status, done[0].landed) == ("replayed", 1, "replayed", 1)
    assert desk.ids() == [1, 2, 3]
    assert len(desk.kept()) == 1
