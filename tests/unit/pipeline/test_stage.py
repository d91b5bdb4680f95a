"""Staging: every row is written or rejected, and a failed attempt leaves no file."""

from __future__ import annotations

import signal
import threading
from concurrent import futures
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.config.job import Job, JobStream, Source, Target, Validation
from dativo_dagster.config.types import parse_type
from dativo_dagster.pipeline.plan import make_plan
from dativo_dagster.pipeline.stage import Parts, merge_violations, stage
from dativo_dagster.pipeline.units import unit_name
from dativo_ingest.exceptions import PluginError, TransientError, ValidationError
from dativo_ingest.model import Stream, Unit, Violation
from tests.fakes.memory import MemoryReader, MemoryTable, MemoryWriter
from tests.waiting import until

CONTRACT = Contract(
    name="orders",
    fields=(
        Field(name="id", type=parse_type("int64"), required=True),
        Field(name="amount", type=parse_type("int64")),
    ),
    rules=(Rule(kind="required", column="id"), Rule(kind="range", column="amount", parameters={"maximum": 10})),
)


def batch(ids, amounts=None) -> pa.RecordBatch:
    amounts = amounts or [1] * len(ids)
    return pa.RecordBatch.from_pydict({"id": ids, "amount": amounts})


@dataclass
class Case:
    """One stream in memory, ready to be staged."""

    units: dict[str, list[pa.RecordBatch]]
    validation: Validation = field(default_factory=Validation)
    table: MemoryTable = field(default_factory=MemoryTable)
    quarantine: MemoryTable = field(default_factory=lambda: MemoryTable("quarantine"))
    fail_in: str | None = None
    error: BaseException = field(default_factory=lambda: TransientError("the source broke"))
    parallelism: int = 2
    read_before: dict[str, int] = field(default_factory=dict)

    def stage(self, report=None):
        stream = JobStream(
            name="orders",
            source=Source(connector="csv"),
            target=Target(connector="iceberg", table="a.b"),
            contract=CONTRACT,
            validation=self.validation,
        )
        job = Job(name="j", tenant="t", path=Path("j.yaml"), streams=(stream,), parallelism=self.parallelism)
        reader = MemoryReader(self.units, self.fail_in, self.error, self.read_before)
        plan = make_plan(job, stream, reader.split(Stream(name="orders"), None), state=None, committed=None)
        parts = Parts(
            reader=reader,
            source=Stream(name="orders"),
            table=self.table,
            quarantine=lambda: self.quarantine.writer(plan.token),
        )
        return stage(job, stream, plan, parts, run_id="run-1", report=report)


def test_all_rows_of_all_units_are_written():
    case = Case({"a": [batch([1, 2]), batch([3])], "b": [batch([4])]})
    staged = case.stage()
    assert (staged.counts.read, staged.counts.written, staged.counts.rejected) == (4, 4, 0)
    assert sum(f.rows for f in staged.files) == 4
    assert case.table.visible == [], "and nothing is visible yet"


def test_the_cursor_of_the_window_travels_with_the_files():
    assert Case({"a": [batch([1])]}).stage().cursor.value == {"a": 1}


def test_quarantine_keeps_every_bad_row_beside_the_good_ones():
    case = Case({"a": [batch([1, None, 3], [1, 2, 99])]}, Validation(mode="quarantine"))
    staged = case.stage()
    assert (staged.counts.read, staged.counts.written, staged.counts.rejected) == (3, 1, 2)
    assert sum(f.rows for f in staged.quarantine) == 2
    rejected = pa.concat_tables(case.quarantine.files.values()).to_pylist()
    assert sorted(r["rule"] for r in rejected) == ["amount_range", "id_required"]
    assert {r["run_id"] for r in rejected} == {"run-1"}


def test_strict_fails_with_the_counts_of_the_whole_unit_and_leaves_no_file():
    case = Case({"a": [batch([1]), batch([None]), batch([None, 4], [1, 99])]}, Validation(mode="strict"))
    with pytest.raises(ValidationError, match="3 of 4 rows broke the contract") as caught:
        case.stage()
    counted = {v["rule"]: v["count"] for v in caught.value.details["violations"]}
    assert counted == {"id_required": 2, "amount_range": 1}
    assert case.table.files == {}
    assert case.quarantine.files == {}


def test_warn_keeps_a_row_without_a_required_value_and_counts_it():
    staged = Case({"a": [batch([1, None])]}, Validation(mode="warn")).stage()
    assert (staged.counts.written, staged.counts.rejected, staged.counts.nulled) == (2, 0, 1)


def test_passing_the_limit_of_rejected_rows_fails_and_leaves_no_file():
    case = Case({"a": [batch([1, None, None])]}, Validation(mode="quarantine", max_rejected=1))
    with pytest.raises(ValidationError, match="max_rejected = 1"):
        case.stage()
    assert case.table.files == {}
    assert case.quarantine.files == {}


def test_as_many_rejected_rows_as_the_limit_are_fine():
    staged = Case({"a": [batch([1, None, None])]}, Validation(mode="quarantine", max_rejected=2)).stage()
    assert staged.counts.rejected == 2


@pytest.mark.parametrize(("limit", "fails"), [(50, False), (49.9, True)])
def test_the_percentage_of_rejected_rows_is_held(limit, fails):
    case = Case({"a": [batch([1, None])]}, Validation(mode="quarantine", max_rejected_percent=limit))
    if not fails:
        assert case.stage().counts.rejected == 1
        return
    with pytest.raises(ValidationError, match=r"50.00 %"):
        case.stage()
    assert case.table.files == {}


def test_one_failing_unit_ends_the_stream_with_its_own_error_and_no_file():
    units = {name: [batch([1]), batch([2])] for name in "abcdef"}
    case = Case(units, fail_in="c")
    with pytest.raises(TransientError, match="the source broke"):
        case.stage()
    assert case.table.files == {}


def test_a_cancelled_run_leaves_no_file():
    case = Case({"a": [batch([1]), batch([2])], "b": [batch([3])]}, fail_in="a", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        case.stage()
    assert case.table.files == {}


@pytest.mark.parametrize("when", ["units begin", "units run"])
def test_an_interrupt_that_breaks_off_no_wait_ends_the_run_all_the_same(when, monkeypatch):
    """One that comes just before a wait is such; here a thread of ours takes the signal, which has the same effect."""
    waiting, cancelled, ended = threading.Event(), threading.Event(), []

    def wait(*arguments, **named):
        waiting.set()
        return futures.wait(*arguments, **named)

    def read(reader, stream, unit):
        assert when == "units begin" or waiting.wait(60)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        ended.append(cancelled.wait(20))
        raise TransientError("cancelled")
        yield

    monkeypatch.setattr("dativo_dagster.pipeline.stage.wait", wait)
    monkeypatch.setattr(MemoryReader, "read", read)
    monkeypatch.setattr(MemoryReader, "cancel", lambda _: cancelled.set(), raising=False)
    with pytest.raises(KeyboardInterrupt):
        Case({"a": []}).stage()
    until(lambda: ended, 30)
    assert ended == [True]


def test_a_reader_that_can_be_cancelled_is_not_waited_for(monkeypatch):
    cancelled, hung = threading.Event(), threading.Event()

    def read(reader, stream, unit):
        if unit.id == "hangs":
            hung.set()
            assert cancelled.wait(60)
            raise TransientError("cancelled")
        assert hung.wait(60)
        raise ValidationError("the first error")
        yield

    monkeypatch.setattr(MemoryReader, "read", read)
    monkeypatch.setattr(MemoryReader, "cancel", lambda _: cancelled.set(), raising=False)
    with pytest.raises(ValidationError, match="the first error"):
        Case({"hangs": [], "fails": []}).stage()
    assert cancelled.is_set()


def test_a_writer_that_hangs_is_ended_when_a_run_is_cancelled(monkeypatch):
    cancelled, hung = threading.Event(), threading.Event()
    write = MemoryWriter.write

    def hangs(writer, batches, name):
        if name.startswith(unit_name(Unit(id="hangs"))):
            hung.set()
            assert cancelled.wait(60)
            raise TransientError("cancelled")
        return write(writer, batches, name)

    def read(reader, stream, unit):
        if unit.id == "ends":
            assert hung.wait(60)
            raise KeyboardInterrupt
        yield batch([1])

    monkeypatch.setattr(MemoryReader, "read", read)
    monkeypatch.setattr(MemoryWriter, "write", hangs)
    monkeypatch.setattr(MemoryWriter, "cancel", lambda _: cancelled.set(), raising=False)
    case = Case({"hangs": [], "ends": []})
    with pytest.raises(KeyboardInterrupt):
        case.stage()
    assert cancelled.is_set()
    assert case.table.files == {}


def test_progress_counts_up_to_all_rows_and_units():
    seen, lock = [], threading.Lock()

    def report(progress):
        with lock:
            seen.append(progress)

    Case({"a": [batch([1, 2])], "b": [batch([3])]}).stage(report)
    assert (seen[-1].units, seen[-1].total_units, max(p.rows for p in seen)) == (2, 2, 3)


def test_progress_counts_the_bytes_of_units_that_are_not_done():
    seen = []
    Case({"a": [batch([1, 2]), batch([3])], "b": [batch([4])]}, parallelism=1).stage(seen.append)
    # In memory a row is a byte; the reader counts a batch as read before it hands it on.
    assert [(p.units, p.bytes, p.total_bytes) for p in seen] == [(0, 2, 4), (0, 3, 4), (1, 3, 4), (1, 4, 4), (2, 4, 4)]


def test_a_source_that_is_read_twice_is_never_more_than_done():
    seen = []
    Case({"a": [batch([1]), batch([2])]}, read_before={"a": 100}).stage(seen.append)
    assert [p.bytes for p in seen] == [2, 2, 2]


def test_names_of_units_are_safe_and_distinct():
    names = {unit_name(Unit(id=i)) for i in ("a/x.csv", "b/x.csv", "a/x_csv", "ü ?*.csv", "x" * 500)}
    assert len(names) == 5
    assert all(n.isascii() and "/" not in n and len(n) < 60 for n in names)


def test_violations_of_several_units_add_up_with_a_bounded_sample():
    one = Violation(rule="r", column="c", count=3, sample=tuple(f"row {n}" for n in range(8)))
    (merged,) = merge_violations([one, replace(one, count=4)])
    assert (merged.count, len(merged.sample)) == (7, 10)


def test_a_reader_that_cannot_say_how_far_it_came_leaves_no_file(monkeypatch):
    def lost(self, window):
        raise PluginError("it does not know", "PLUGIN_BAD_ANSWER")

    monkeypatch.setattr(MemoryReader, "reached", lost)
    case = Case({"a": [batch([1])]})
    with pytest.raises(PluginError, match="does not know"):
        case.stage()
    assert case.table.files == {}
