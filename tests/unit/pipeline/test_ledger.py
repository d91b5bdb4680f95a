"""Attempts of one run: what one finished, the next one does not read again; nothing is left of it in the end."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.formats.rolling import OURS
from dativo_dagster.pipeline.assemble import Openers, open_reader
from dativo_dagster.pipeline.ledger import Attempt
from dativo_dagster.pipeline.maintain import collect_garbage
from dativo_dagster.pipeline.run import commit, extract_write, plan_stream
from dativo_ingest.exceptions import ConfigurationError, TransientError

TARGETS = {
    "iceberg": 'connector: iceberg, catalog: {{type: sql, uri: "sqlite:///{root}/c.db", warehouse: "file://{root}/out/lake"}}',
    "files": "connector: files, path: {root}/out/lake",
    "delta": "connector: delta, path: {root}/out/lake",
    "duckdb": "connector: duckdb, path: {root}/shop.duckdb, staging: {root}/out/lake",
}
JOB = """\
name: shop
tenant: acme
source: {{connector: csv, files: [{root}/data/*.csv], incremental: file_modified_time}}
target: {{{target}, table: shop.orders}}
parallelism: 1
validation: quarantine
contract: {{name: orders, schema: [{{name: id, type: int64, required: true{rule}}}]}}
"""
FIRST, SECOND, LAST = Attempt(1, last=False), Attempt(2, last=False), Attempt(3, last=True)
AFTER = datetime.now(timezone.utc) + timedelta(days=1)


@dataclass
class Flaky:
    """The reader of a job, which breaks in some units; it tells which units were read."""

    broken: dict[str, BaseException] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    repeatable: bool = True

    @contextmanager
    def open(self, job, stream):
        with open_reader(job, stream) as reader:
            original, reader.repeatable = reader.read, self.repeatable

            def read(stream, unit):
                name = Path(unit.id).stem
                self.read.append(name)
                yield from original(stream, unit)
                if error := self.broken.pop(name, None):
                    raise error

            reader.read = read
            yield reader


class Run:
    """One run of a job over three files, in as many attempts as it takes."""

    def __init__(self, root, target="files", rule=""):
        (root / "data").mkdir()
        for name, rows in {"a": "1\n2\nx\n", "b": "3\n", "c": "4\n5\n"}.items():
            (root / "data" / f"{name}.csv").write_text(f"id\n{rows}")
        made = TARGETS[target].format(root=root)
        (root / "job.yaml").write_text(JOB.format(root=root, target=made, rule=rule))
        self.root, self.job, self.source = root, load_job(root / "job.yaml"), Flaky()
        [self.stream] = self.job.streams
        self.openers = Openers(reader=self.source.open)
        self.plan = plan_stream(self.job, self.stream, self.openers)

    def attempt(self, attempt, run_id="run-1"):
        return extract_write(self.job, self.stream, self.plan, self.openers, run_id=run_id, attempt=attempt)

    def fails(self, attempt, unit, error=None, **options):
        error = error or TransientError("the source went away")
        self.source.broken[unit] = error
        with pytest.raises(type(error)):
            self.attempt(attempt, **options)

    def commit(self, staged):
        return commit(self.job, self.stream, self.plan, staged, self.openers)

    def rows(self):
        return sorted(n for b in self.openers.table(self.job, self.stream).scan() for n in b["id"].to_pylist())

    def left(self):
        """Give the names of what is ours, of the table and of its quarantine."""
        return sorted(p.name for p in (self.root / "out").rglob("*") if OURS.fullmatch(p.name))

    def entries(self):
        return [p for p in (self.root / "out").rglob("*.json") if "units" in p.parts]


@pytest.fixture(params=TARGETS)
def run(request, tmp_path):
    """A run into each kind of table."""
    return Run(tmp_path, request.param)


@pytest.fixture
def one(tmp_path):
    """A run into a folder of files."""
    return Run(tmp_path)


def test_each_finished_unit_is_read_once_and_each_row_lands_once(run):
    run.fails(FIRST, "b")
    run.fails(SECOND, "c")
    staged = run.attempt(LAST)
    assert run.source.read == ["a", "b", "b", "c", "c"]
    assert (staged.counts.read, staged.counts.written, staged.counts.rejected) == (6, 5, 1)
    assert [(v.rule, v.count) for v in staged.violations] == [("id_type", 1)]
    assert run.commit(staged).status == "committed"
    assert run.rows() == [1, 2, 3, 4, 5]
    assert run.entries() == []
    assert collect_garbage(run.job, run.stream, older_than=AFTER, delete=False) == []


def test_gc_finds_what_a_run_left_that_was_killed_before_its_retry(run):
    run.fails(FIRST, "b")
    left = run.left()
    assert len(left) == 3, "the rows of one unit, those it rejected, and the entry"
    found = collect_garbage(run.job, run.stream, older_than=AFTER, delete=True)
    assert sorted(f.path.rpartition("/")[2] for f in found) == left
    assert run.left() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConfigurationError("no such file", "FILE_NOT_FOUND")])
def test_an_error_that_nobody_retries_removes_what_earlier_attempts_kept(one, error):
    one.fails(FIRST, "b")
    one.fails(SECOND, "c", error)
    assert one.left() == []


def test_the_last_attempt_removes_everything(one):
    one.fails(FIRST, "b")
    one.fails(SECOND, "b")
    one.fails(LAST, "c")
    assert one.left() == []


def test_a_run_without_retries_keeps_nothing(one):
    one.fails(Attempt(), "b")
    assert one.left() == []


def test_another_run_takes_nothing_over(one):
    one.fails(FIRST, "c")
    one.attempt(LAST, run_id="run-2")
    assert one.source.read == ["a", "b", "c", "a", "b", "c"]


def test_a_unit_whose_file_is_gone_is_read_again(one):
    one.fails(FIRST, "c")
    next(p for p in (one.root / "out").rglob("*-b_csv-*.parquet")).unlink()
    staged = one.attempt(LAST)
    one.commit(staged)
    assert one.source.read == ["a", "b", "c", "b", "c"]
    assert one.rows() == [1, 2, 3, 4, 5]


def test_a_job_that_writes_rows_otherwise_by_now_reads_all_units_again_and_leaves_none_of_the_old_files(one):
    one.fails(FIRST, "c")
    old = set(one.left())
    one.stream = replace(one.stream, validation=replace(one.stream.validation, mode="warn"))
    one.attempt(LAST)
    assert one.source.read == ["a", "b", "c", "a", "b", "c"]
    assert not old & set(one.left())


def test_of_two_attempts_at_once_only_one_is_given_the_files(one):
    one.fails(FIRST, "c")
    first, second = one.attempt(LAST), one.attempt(LAST)
    assert one.source.read == ["a", "b", "c", "c", "a", "b", "c"]
    assert not {f.path for f in first.files} & {f.path for f in second.files}


def test_an_entry_that_was_taken_and_not_removed_says_nothing(one):
    one.fails(FIRST, "c")
    [entry] = one.entries()
    entry.write_bytes(b"")
    one.attempt(LAST)
    assert one.source.read == ["a", "b", "c", "a", "b", "c"]


def test_rows_rejected_before_count_against_the_limit(one):
    one.stream = replace(one.stream, validation=replace(one.stream.validation, max_rejected=1))
    (one.root / "data" / "c.csv").write_text("id\nx\n")
    one.plan = plan_stream(one.job, one.stream, one.openers)
    one.fails(FIRST, "b")
    with pytest.raises(Exception, match="max_rejected = 1"):
        one.attempt(LAST)


def test_a_reader_that_promises_nothing_is_read_whole_again(one):
    one.source.repeatable = False
    one.fails(FIRST, "c")
    assert one.left() == []


def test_a_column_that_is_unique_across_units_needs_all_of_them_in_one_attempt(tmp_path):
    run = Run(tmp_path, rule=", unique: true")
    run.fails(FIRST, "c")
    assert run.left() == []


def test_a_store_that_refuses_the_entry_costs_a_warning_and_leaves_nothing(one, caplog):
    in_the_way = one.root / "out" / "lake" / "_dativo" / "staging" / "_dativo"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where the entry's folder would be")
    one.fails(FIRST, "c")
    assert one.left() == []
    assert "reads all units again" in caplog.text


def test_an_entry_holds_no_rows(one):
    one.fails(FIRST, "b")
    [entry] = one.entries()
    assert set(json.loads(entry.read_text())) == {"digest", "units"}
