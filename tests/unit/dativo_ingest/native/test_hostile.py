"""The hostile plugin in the thread of its host: what can be survived there is, with a code, and the rest is listed."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dativo_ingest import native
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import Column, Stream
from tests.native import native_library

pytestmark = pytest.mark.rust

STREAM = Stream(name="rows", columns=(Column(name="id", type="int64"),))
SURVIVED = {
    # fault: (first verb that fails, code)
    "panic_open": ("open", "PLUGIN_PANIC"),
    "panic_check": ("check", "PLUGIN_PANIC"),
    "panic_discover": ("discover", "PLUGIN_PANIC"),
    "panic_read": ("read", "PLUGIN_PANIC"),
    "panic_stream": ("read", "PLUGIN_PANIC"),
    "panic_write": ("write", "PLUGIN_PANIC"),
    "panic_commit": ("commit", "PLUGIN_PANIC"),
    "endless": ("read", "ENDLESS_READER"),
    "huge_batch": ("read", "ENDLESS_READER"),
    "wrong_batch": ("read", "PLUGIN_BAD_DATA"),
    "error_stream": ("read", "CONNECTION_FAILED"),
    "rate_limit": ("read", "RATE_LIMIT_EXCEEDED"),
    "error_then_data": ("read", "PLUGIN_ERROR"),
    "null_error": ("open", "PLUGIN_ERROR"),
    "error_without_message": ("check", "HOSTILE"),
    "unknown_status": ("check", "PLUGIN_BAD_ANSWER"),
    "invalid_utf8": ("check", "PLUGIN_BAD_ANSWER"),
    "invalid_json": ("check", "PLUGIN_BAD_ANSWER"),
    "wrong_json": ("check", "PLUGIN_BAD_ANSWER"),
    "null_instance": ("open", "PLUGIN_BAD_ANSWER"),
    "null_slots": ("read", "PLUGIN_ERROR"),
    "null_reading": ("read", "PLUGIN_BAD_ANSWER"),
    "null_next": ("read", "PLUGIN_BAD_ANSWER"),
    "null_stream": ("read", "PLUGIN_BAD_ANSWER"),
    "null_get_schema": ("read", "PLUGIN_BAD_ANSWER"),
    "null_get_next": ("read", "PLUGIN_BAD_ANSWER"),
    "null_last_error": ("read", "PLUGIN_ERROR"),
    "error_write": ("write", "WRITE_FAILED"),
    "wrong_rows": ("write", "ROWS_LOST"),
}
HARMLESS = {"none", "panic_drop", "stdout_flood", "stderr_flood"}
FOR_OTHERS = {"wrong_type", "wrong_columns", "missing_file", "stray_file"}  # validation and the table look at these
UNSEEN = {"reused_buffer"}  # the batch is the plugin's memory; the conformance suite keeps batches and looks again
FOR_THE_PROCESS = {
    *("segfault", "segfault_stream", "segfault_write", "abort", "abort_stream", "exit", "stack_overflow"),
    *("double_release", "memory"),
    *("hang_open", "hang_check", "hang_read", "hang_stream", "hang_write", "hang_commit", "hang_release"),
}


def _library():
    return native.load_library(native_library("hostile"))


def _first_failure(fault):
    """Call every verb of the reader until one fails; gives its name and error, or None."""
    options = {"engine": {"options": {"fault": fault, "megabytes": 1}}, "limits": {"max_rows": 20_000}}
    opened = _library().reader("create_reader", {"source": options, "stream": STREAM.to_json()})
    whole = lambda reader: list(reader.read(STREAM, reader.split(STREAM, None).units[0]))  # noqa: E731 - one of a row
    return _tried(opened, check=lambda r: r.check(), discover=lambda r: r.discover(), read=whole)


def _first_failure_of_a_writer(fault, folder):
    config = {"target": {"engine": {"options": {"fault": fault}}}, "commits": False, "output_base": str(folder)}
    opened = _library().writer("create_writer", {**config, "stream": STREAM.to_json()})
    batches = [pa.record_batch({"id": [1, 2]})] * 2
    return _tried(opened, write=lambda w: w.write(batches, f"{folder}/", "a"), commit=lambda w: w.commit("token", []))


def _tried(opened, **steps):
    verb = "open"
    try:
        with opened as plugin:
            for verb, step in steps.items():  # noqa: B007 - the handler tells which
                step(plugin)
    except DativoError as error:
        return verb, error
    return None


@pytest.mark.parametrize("fault", SURVIVED)
def test_a_fault_fails_its_verb_with_a_code_and_the_next_reader_is_fine(fault, tmp_path):
    verb, code = SURVIVED[fault]
    failed = _first_failure_of_a_writer(fault, tmp_path) if verb in {"write", "commit"} else _first_failure(fault)
    assert failed is not None
    assert (failed[0], failed[1].error_code) == (verb, code)
    assert str(native_library("hostile").resolve()) in failed[1].message
    assert _first_failure("none") is None


@pytest.mark.parametrize("fault", sorted(HARMLESS))
def test_what_does_no_harm_fails_nothing(fault, tmp_path):
    assert _first_failure(fault) is None
    assert _first_failure_of_a_writer(fault, tmp_path) is None


def test_every_fault_of_the_plugin_is_spoken_of():
    engine = _library().spec()["roles"]["reader"]["config"]["properties"]["engine"]
    known = set(engine["properties"]["options"]["properties"]["fault"]["enum"])
    assert known == {*SURVIVED, *HARMLESS, *FOR_OTHERS, *UNSEEN, *FOR_THE_PROCESS}
