"""Every check of a writer can fail: a writer with one fault fails the check that is about it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_ingest.exceptions import AuthenticationError, CommitError
from dativo_ingest.model import CheckResult, DataFile, Stream
from dativo_ingest.testing import EVERY_TYPE, WRITER_CHECKS, MemoryWriter, Suite, WriterCase, arrow_schema, run, stream

kept = []


class ParquetWriter:
    """One Parquet file a call; with a fault it does something else."""

    commits = False

    def __init__(self, folder, fault="", password="right"):
        self.folder, self.fault, self.password = Path(folder), fault, password
        self.lock = threading.Lock()
        self.busy = False

    def check(self):
        if self.fault == "check_raises_foreign":
            raise ValueError("no")
        if self.fault == "unreachable":
            return CheckResult(name="connection", passed=False, message="switched off", code="CONNECTION_FAILED")
        if self.password == "wrong" and self.fault != "swallows_refusal":
            said = "refused the password" + (": wrong" if self.fault == "tells_password" else "")
            return CheckResult.failed("connection", AuthenticationError(said))
        if self.fault == "check_leaves_file":
            (self.folder / ".test").write_text("test")
        return CheckResult(name="connection", passed=True)

    def write(self, batches, base, name):
        if self.password == "wrong" and self.fault != "swallows_refusal":
            raise AuthenticationError("refused the password")
        path = Path(base.removeprefix("file://")) / f"{name}.parquet"
        if self.fault == "name_of_its_own":
            path = path.with_name("mine.parquet")
        if self.fault == "one_at_a_time":
            crowded, self.busy = self.busy, True
        try:
            rows = self._write(batches, path)
        except Exception as error:  # noqa: BLE001 - what the faults do with it
            return self._failed(error, path)
        if self.fault == "one_at_a_time":
            time.sleep(0.2)  # long enough for the other threads to come
            self.busy = False
            rows -= crowded
        self._leak(path)
        if self.fault == "tuples":
            return [(str(path), rows)]
        told = DataFile(path=path.as_uri(), rows=rows, bytes=path.stat().st_size)
        return [self._told(told)]

    def _failed(self, error, path):
        if self.fault != "half_a_file_left":
            path.unlink(missing_ok=True)
        if self.fault == "hides_source_error":
            raise CommitError("could not write") from error
        if self.fault == "raises_foreign":
            raise ValueError("could not write") from error
        if self.fault == "swallows_source_error":
            return []
        raise error

    def _leak(self, path):
        if self.fault == "stray_file":
            (path.parent / "_log").write_text("done")
        if self.fault == "memory_leaked":
            kept.append(b"\x01" * 20_000_000)
        if self.fault == "file_leaked":
            kept.append(path.open("rb"))

    def _write(self, batches, path):
        rows, writer = 0, None
        try:
            for batch in batches:
                shown = self._changed(batch)
                writer = writer or pq.ParquetWriter(path, shown.schema)
                writer.write_batch(shown)
                rows += batch.num_rows
        finally:
            if writer is None:
                writer = pq.ParquetWriter(path, pa.schema([("x", pa.int8())]))
            writer.close()
        if self.fault == "not_parquet":
            path.write_text("not parquet")
        if self.fault == "rows_for_nothing" and not rows:
            return 1
        return rows

    def _changed(self, batch):
        if self.fault == "rows_lost":
            return batch.slice(1)
        if self.fault == "field_ids_lost":
            return pa.record_batch(batch.columns, names=batch.schema.names)
        if self.fault == "type_changed":
            return batch.set_column(0, batch.schema.field(0).name, batch.column(0).cast(pa.string()))
        if self.fault == "values_changed":
            return batch.set_column(0, batch.schema.field(0), pa.nulls(batch.num_rows, batch.schema.field(0).type))
        return batch

    def _told(self, file):
        if self.fault == "size_wrong":
            return DataFile(path=file.path, rows=file.rows, bytes=file.bytes + 1)
        if self.fault == "rows_wrong":
            return DataFile(path=file.path, rows=file.rows + 1, bytes=file.bytes)
        if self.fault == "path_wrong":
            return DataFile(path=file.path + ".gz", rows=file.rows, bytes=file.bytes)
        if self.fault == "path_relative":
            return DataFile(path="part-0001.parquet", rows=file.rows, bytes=file.bytes)
        return file

    def commit(self, token, files):
        return {}

    def abort(self, files):
        for file in files:
            if self.fault == "abort_does_nothing":
                return
            Path(file.path.removeprefix("file://")).unlink(missing_ok=self.fault != "abort_once_only")


SEEN_BY = {
    "unreachable": "answers",
    "check_raises_foreign": "answers",
    "check_leaves_file": "answers",
    "tuples": "counts_true",
    "size_wrong": "counts_true",
    "rows_wrong": "counts_true",
    "path_wrong": "counts_true",
    "path_relative": "counts_true",
    "name_of_its_own": "names_given",
    "stray_file": "names_given",
    "rows_lost": "values_kept",
    "field_ids_lost": "values_kept",
    "type_changed": "values_kept",
    "values_changed": "values_kept",
    "not_parquet": "values_kept",
    "rows_for_nothing": "nothing_written",
    "abort_does_nothing": "abort_clears",
    "abort_once_only": "abort_clears",
    "one_at_a_time": "writes_at_once",
    "half_a_file_left": "source_errors_pass",
    "hides_source_error": "source_errors_pass",
    "raises_foreign": "source_errors_pass",
    "swallows_source_error": "source_errors_pass",
    "memory_leaked": "memory_returned",
    "file_leaked": "nothing_left_open",
    "swallows_refusal": "errors_coded",
    "tells_password": "errors_coded",
}


@pytest.fixture
def case(tmp_path):
    """A case of a Parquet writer with a fault, and every fact told."""
    folders = iter(range(1_000))

    def folder():
        path = tmp_path / str(next(folders))
        path.mkdir()
        return str(path)

    def make(fault="", columns=None, **facts):
        def opened(folder, password="right"):
            return _opened(ParquetWriter(folder, fault, password))

        told = {
            "open_writer": opened,
            "stream": stream(columns=columns or {"id": "int64", "name": "string"}),
            "folder": folder,
            "broken": lambda folder: opened(folder, "wrong"),
            "secrets": ("wrong",),
            "seconds": 30,
        }
        return WriterCase(**{**told, **facts})

    yield make
    for thing in kept:
        if hasattr(thing, "close"):
            thing.close()
    kept.clear()


@contextmanager
def _opened(writer):
    yield writer


def _not_passed(report):
    return {o.name: o.remark for o in report.outcomes if o.status != "passed"}


def test_an_honest_writer_of_every_type_passes_every_check(case):
    report = run(case(columns=EVERY_TYPE))
    assert _not_passed(report) == {"commit_repeats": "the job's table commits its files"}


@pytest.mark.parametrize("fault", SEEN_BY)
def test_a_writer_that_fails(fault, case):
    outcome = Suite(case(fault)).outcome(SEEN_BY[fault])
    assert outcome.status == "failed", outcome
    assert outcome.todo
    assert outcome.why


class CommittingWriter(MemoryWriter):
    """Keeps rows in memory; with a fault it forgets, doubles or hurries."""

    def __init__(self, fault=""):
        super().__init__()
        self.fault = fault

    def write(self, batches, base, name):
        files = super().write(batches, base, name)
        path = Path(base.removeprefix("file://")) / name
        path.write_text("rows")
        told = [DataFile(path=path.as_uri(), rows=f.rows, bytes=4) for f in files]
        self.staged = {t.path: self.staged.pop(f.path, []) for t, f in zip(told, files, strict=True)} | self.staged
        if self.fault == "visible_at_once":
            self.rows += [row for rows in self.staged.values() for row in rows]
        return told

    def commit(self, token, files):
        if self.fault == "commits_again":
            self.rows += [{}] * len(self.tokens)
        if self.fault == "rows_lost":
            for rows in self.staged.values():
                rows.pop()
        answer = super().commit(token, files)
        if self.fault == "visible_at_once":
            self.rows = self.rows[: len(self.rows) // 2]
        return answer

    def abort(self, files):
        super().abort(files)
        for file in files:
            Path(file.path.removeprefix("file://")).unlink(missing_ok=True)


COMMITS_SEEN_BY = {"commits_again": "commit_repeats", "rows_lost": "values_kept", "visible_at_once": "values_kept"}


@pytest.mark.parametrize("fault", COMMITS_SEEN_BY)
def test_a_writer_that_commits_by_itself_and_fails(fault, case):
    writer = CommittingWriter(fault)
    told = case(open_writer=lambda _: _opened(writer), read_back=lambda _: writer.rows)
    assert Suite(told).outcome(COMMITS_SEEN_BY[fault]).status == "failed"


def test_an_honest_writer_that_commits_by_itself_passes(case):
    writers = []

    def opened(_):
        writers.append(CommittingWriter())
        return _opened(writers[-1])

    report = run(case(open_writer=opened, read_back=lambda _: writers[-1].rows, broken=None))
    assert set(_not_passed(report)) == {"names_given", "errors_coded"}


def test_a_writer_whose_rows_cannot_be_read_back_is_not_judged_by_them(case):
    outcome = Suite(case(open_writer=lambda _: _opened(CommittingWriter()))).outcome("values_kept")
    assert outcome.status == "not applicable"
    assert "read_back" in outcome.remark


def test_every_check_of_a_writer_is_in_a_table():
    assert {c.name for c in WRITER_CHECKS} == set(SEEN_BY.values()) | set(COMMITS_SEEN_BY.values())


def test_the_schema_of_every_type_is_the_platforms():
    from dativo_dagster.config.types import parse_type
    from dativo_dagster.validation.typemap import arrow_field

    more = {"ns": "timestamp[ns]", "s": "time[s]", "odd": 'struct<"a b": list<map<string,int8>>, c: timestamptz[ms]>'}
    for name, kind in {**EVERY_TYPE, **more}.items():
        ours = arrow_schema(Stream.from_json(stream(columns={name: kind}).to_json())).field(0)
        assert ours.equals(arrow_field(name, parse_type(kind)), check_metadata=True)
