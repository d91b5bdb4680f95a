"""Whole jobs on a library that misbehaves in every way: the run survives, says who it was, and nothing is visible.

In a process of its own every fault is survived. Here, in ours, those that do not end a process are.
"""

from __future__ import annotations

import json
import os

import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.assemble import open_table
from dativo_dagster.pipeline.jobs import run_job
from tests.fakes.children import workers
from tests.native import native_library
from tests.waiting import until

pytestmark = [pytest.mark.rust, pytest.mark.integration]

CONTRACT = """
name: rows
version: 1.0.0
source_type: custom
object: rows
team: {owner: tests}
schema:
  - {name: id, type: int64, required: true}
  - {name: name, type: string}
"""
JOB = """
name: hostile
tenant: tests
source: {{custom_reader: "{library}:reader"{reader}}}
target: {{connector: parquet, table: tests.rows, path: "{folder}/lake"{writer}}}
contract: contract.yaml
validation: strict
"""
LIMITS = {"memory_mb": 500, "timeout_seconds": 60, "idle_seconds": 60, "output_mb": 2}
"""On a busy machine, too, no limit of time is broken by what breaks another."""
SOON = {
    "endless": {"timeout_seconds": 3},
    "hang": {"start_seconds": 2.5},
    "hang_open": {"start_seconds": 2.5},
    "hang_read": {"idle_seconds": 1},
    "hang_stream": {"idle_seconds": 1},
    "hang_write": {"idle_seconds": 1},
}


def process(fault="none", **more):
    """Give a process of its own, whose limits a fault breaks soon."""
    return json.dumps({"launcher": "process", **LIMITS, **SOON.get(fault, {}), **more})


# What ends a process, or would never end: (fault, code). Only a process of its own holds it.
FATAL = {
    "segfault": "PLUGIN_CRASHED",
    "segfault_stream": "PLUGIN_CRASHED",
    "abort": "PLUGIN_CRASHED",
    "abort_stream": "PLUGIN_CRASHED",
    "exit": "PLUGIN_CRASHED",
    "stack_overflow": "PLUGIN_CRASHED",
    "endless": "PLUGIN_TIMEOUT",
    "hang_open": "PLUGIN_TIMEOUT",
    "hang_read": "PLUGIN_HUNG",
    "hang_stream": "PLUGIN_HUNG",
    "memory": "PLUGIN_OUT_OF_MEMORY",
    "stdout_flood": "STDOUT_FLOOD",
    "stderr_flood": "STDOUT_FLOOD",
}
FATAL_WRITERS = {"segfault_write": "PLUGIN_CRASHED", "hang_open": "PLUGIN_TIMEOUT", "hang_write": "PLUGIN_HUNG"}

# What is an error in any place.
ERRORS = {
    "panic_open": "PLUGIN_PANIC",
    "panic_read": "PLUGIN_PANIC",
    "panic_stream": "PLUGIN_PANIC",
    "error_stream": "CONNECTION_FAILED",
    "rate_limit": "RATE_LIMIT_EXCEEDED",
    "error_then_data": "PLUGIN_ERROR",
    "null_error": "PLUGIN_ERROR",
    "null_instance": "PLUGIN_BAD_ANSWER",
    "null_slots": "PLUGIN_ERROR",
    "null_reading": "PLUGIN_BAD_ANSWER",
    "null_next": "PLUGIN_BAD_ANSWER",
    "null_stream": "PLUGIN_BAD_ANSWER",
    "null_get_schema": "PLUGIN_BAD_ANSWER",
    "null_get_next": "PLUGIN_BAD_ANSWER",
    "null_last_error": "PLUGIN_ERROR",
    "unknown_status": "PLUGIN_BAD_ANSWER",
    "invalid_utf8": "PLUGIN_BAD_ANSWER",
    "invalid_json": "PLUGIN_BAD_ANSWER",
    "wrong_json": "PLUGIN_BAD_ANSWER",
    "wrong_batch": "PLUGIN_BAD_DATA",
}
ERRORS_OF_WRITERS = {"panic_open": "PLUGIN_PANIC", "panic_write": "PLUGIN_PANIC", "error_write": "WRITE_FAILED"}

# Wrong rows are the contract's to find.
BROKEN_CONTRACTS = {"wrong_type": "VALIDATION_FAILED", "wrong_columns": "UNKNOWN_COLUMNS"}

# What does no harm to the rows: the run succeeds.
HARMLESS = ("none", "panic_check", "panic_drop")


@pytest.fixture(scope="module")
def library():
    return native_library("hostile")


@pytest.fixture(autouse=True)
def _no_child_is_left():
    yield
    until(lambda: workers() == set(), 10)  # one that was killed takes a moment


def _run(folder, library, *, place, fault, side="reader"):
    options = f", place: {place}, engine: {{options: {{fault: {fault}, megabytes: 1500}}}}"
    writer = f', custom_writer: "{library}:writer"{options}' if side == "writer" else ""
    reader = options if side == "reader" else ", place: local"
    (folder / "contract.yaml").write_text(CONTRACT)
    (folder / "job.yaml").write_text(JOB.format(library=library, folder=folder, reader=reader, writer=writer))
    job = load_job(folder / "job.yaml")
    (result,) = run_job(job).streams
    return result, open_table(job, job.streams[0])


def _failed_with(code, result, table, library):
    assert result.status == "failed"
    error = result.error
    assert error["error_code"] == code, error
    assert str(library) in error["message"]
    assert error["details"]["plugin"].startswith(str(library))
    assert error["details"]["verb"]
    assert list(table.scan()) == []
    return error


@pytest.mark.parametrize("fault", FATAL)
def test_what_ends_a_process_ends_the_readers_own(fault, library, tmp_path):
    result, table = _run(tmp_path, library, place=process(fault), fault=fault)
    error = _failed_with(FATAL[fault], result, table, library)
    assert error["retryable"] is (FATAL[fault] == "PLUGIN_HUNG")
    assert error["details"].get("stream", "rows") == "rows"


@pytest.mark.parametrize("fault", FATAL_WRITERS)
def test_what_ends_a_process_ends_the_writers_own(fault, library, tmp_path):
    result, table = _run(tmp_path, library, place=process(fault), fault=fault, side="writer")
    _failed_with(FATAL_WRITERS[fault], result, table, library)


def test_a_batch_of_four_gigabytes_is_more_than_a_small_place_has(library, tmp_path):
    result, table = _run(tmp_path, library, place=process(), fault="huge_batch")
    error = _failed_with(result.error["error_code"], result, table, library)
    assert error["error_code"] in {"PLUGIN_PANIC", "PLUGIN_OUT_OF_MEMORY"}
    assert "memory" in error["message"]


@pytest.mark.parametrize("fault", ["hang_release", "double_release"])
def test_a_plugin_that_fails_in_its_last_moment_takes_no_row_with_it(fault, library, tmp_path):
    result, table = _run(tmp_path, library, place=process(fault), fault=fault)
    assert result.status == "committed"
    assert sum(batch.num_rows for batch in table.scan()) == 3000


@pytest.mark.parametrize("place", ["local", process()], ids=["local", "process"])
@pytest.mark.parametrize("fault", ERRORS)
def test_what_a_reader_does_wrong_is_an_error_that_names_it(fault, place, library, tmp_path):
    result, table = _run(tmp_path, library, place=place, fault=fault)
    _failed_with(ERRORS[fault], result, table, library)


@pytest.mark.parametrize("place", ["local", process()], ids=["local", "process"])
@pytest.mark.parametrize("fault", ERRORS_OF_WRITERS)
def test_what_a_writer_does_wrong_is_an_error_that_names_it(fault, place, library, tmp_path):
    result, table = _run(tmp_path, library, place=place, fault=fault, side="writer")
    _failed_with(ERRORS_OF_WRITERS[fault], result, table, library)


@pytest.mark.parametrize("place", ["local", process()], ids=["local", "process"])
@pytest.mark.parametrize("fault", BROKEN_CONTRACTS)
def test_rows_of_another_shape_break_the_contract(fault, place, library, tmp_path):
    result, table = _run(tmp_path, library, place=place, fault=fault)
    assert (result.status, result.error["error_code"]) == ("failed", BROKEN_CONTRACTS[fault])
    assert list(table.scan()) == []


@pytest.mark.parametrize("place", ["local", process()], ids=["local", "process"])
@pytest.mark.parametrize("fault", ["wrong_rows", "missing_file", "stray_file"])
def test_a_writer_that_lies_about_its_files_commits_nothing(fault, place, library, tmp_path):
    result, table = _run(tmp_path, library, place=place, fault=fault, side="writer")
    assert result.status == "failed"
    assert list(table.scan()) == []


@pytest.mark.parametrize("place", ["local", process()], ids=["local", "process"])
@pytest.mark.parametrize("fault", HARMLESS)
def test_a_fault_that_touches_no_row_fails_nothing(fault, place, library, tmp_path):
    result, table = _run(tmp_path, library, place=place, fault=fault)
    assert (result.status, result.error) == ("committed", None)
    rows = sorted(n for batch in table.scan() for n in batch.column("id").to_pylist())
    assert rows == list(range(3000))


def test_memory_that_a_plugin_overwrites_too_early_is_sent_before_it_can(library, tmp_path):
    """Here, in our process, nobody could see it; the conformance suite does."""
    result, table = _run(tmp_path, library, place=process(), fault="reused_buffer")
    assert result.status == "committed"
    assert sorted(n for batch in table.scan() for n in batch.column("id").to_pylist()) == list(range(3000))


@pytest.mark.parametrize("init", ["refused", "null_error", "null_table", "segfault", "hang"])
def test_a_library_that_fails_before_it_has_a_configuration_fails_the_step(init, library, tmp_path):
    result, table = _run(tmp_path, library, place=process(init, environment={"HOSTILE_INIT": init}), fault="none")
    assert "HOSTILE_INIT" not in os.environ
    assert result.status == "failed"
    assert str(library) in result.error["message"]
    assert list(table.scan()) == []
