"""What hostile plugins do wrong, and what each place makes of it: the code of an error, or why it is not shown there.

A word in capitals is the code that whoever called gets. `ROWS` says that the fault harms no row: all of them come. Any
other text is the reason why the place does not show the fault.
"""

from __future__ import annotations

from typing import NamedTuple

ROWS = "all rows"
SAME_WORKER = "as in `process`"
"""The worker that hears the library's answers is the one of child processes, where `test_hostile_plugins` shows it."""
LIKE_HANG = "as `hang`"
"""Its process is killed when the time is over."""
NO_WALL = "not shown: no limit of memory"
"""The test server's functions have the memory of the machine; `killed` is what the platform would do."""
CONTRACTS = "for the contract"
"""The host looks at the rows, wherever they come from."""
TABLES = "for the table"
"""The host looks at the file, wherever it comes from."""
SEEN, CURED = "seen", "cured"
"""Of a fault of the suite's own reader: a check fails for it, or the place makes it good."""
AS_AT_GOOGLE = "as in `gcp_functions`"
"""The host and the protocol are the same."""
GONE = "ends with its process"
"""What a plugin leaves in a process that is not the one of the run."""
NOT_ASKED = "never asked"
"""The table of a job commits, and no writer whose files are brought to it."""


class Row(NamedTuple):
    """What comes of a fault, by place."""

    docker: str
    gcp_functions: str
    aws_lambda: str


PLACES = Row._fields


def everywhere(said: str) -> Row:
    """Say the same of all places."""
    return Row(said, said, said)


def by(docker: str, functions: str) -> Row:
    """Say it of containers and of the functions of both clouds."""
    return Row(docker, functions, functions)


def lambda_only(said: str, others: str = SAME_WORKER) -> Row:
    """Say it of Lambda, where the host of libraries is a program of its own."""
    return Row(others, others, said)


PYTHON: dict[str, Row] = {
    "segfault": everywhere("PLUGIN_CRASHED"),
    "abort": everywhere("PLUGIN_CRASHED"),
    "exit": everywhere("PLUGIN_CRASHED"),
    "long line": everywhere("PLUGIN_CRASHED"),
    "signal of real time": everywhere("PLUGIN_CRASHED"),
    "grandchild": everywhere("PLUGIN_CRASHED"),
    "sys.exit": everywhere("PLUGIN_FAILED"),
    "raise": everywhere("RATE_LIMIT_EXCEEDED"),
    "secret": everywhere("PLUGIN_FAILED"),
    "schemas": everywhere(ROWS),
    "large batch": everywhere("no fault"),
    "killed": by("PLUGIN_KILLED", "PLUGIN_OUT_OF_MEMORY"),
    "one allocation": everywhere("PLUGIN_OUT_OF_MEMORY"),
    "grow": Row("PLUGIN_OUT_OF_MEMORY", NO_WALL, "PLUGIN_OUT_OF_MEMORY"),
    "no frame": everywhere("WIRE_BROKEN"),
    "hang": by("PLUGIN_HUNG", "FUNCTION_TIMEOUT"),
    "hang outside Python": by("PLUGIN_HUNG", LIKE_HANG),
    "ignores SIGTERM": by("PLUGIN_HUNG", LIKE_HANG),
    "endless": by("PLUGIN_TIMEOUT", "FUNCTION_TIMEOUT"),
    "print": by("STDOUT_FLOOD", "FUNCTION_TIMEOUT"),
    "log": by("STDOUT_FLOOD", "as `print`"),
    "log now and then": everywhere("as `endless`"),
    "broken start": everywhere("PLUGIN_FAILED"),
    "slow start": by("PLUGIN_TIMEOUT", LIKE_HANG),
    "odd cursor": everywhere("PLUGIN_ERROR"),
    "crash on close": everywhere(ROWS),
    "raise on close": everywhere(ROWS),
}
"""Of a reader in Python, `tests/fakes/hostile.py`."""

PYTHON_WRITER: dict[str, Row] = {
    "segfault": everywhere("PLUGIN_CRASHED"),
    "raise": everywhere("RATE_LIMIT_EXCEEDED"),
    "killed": by("PLUGIN_KILLED", "PLUGIN_OUT_OF_MEMORY"),
    "hang": by("PLUGIN_HUNG", LIKE_HANG),
    "odd files": by("WIRE_BROKEN", "PLUGIN_ERROR"),
    "no file": by("PLUGIN_BAD_FILE", "PLUGIN_BAD_RESULT"),
}
"""Of a writer in Python, from the same file."""

TAKES_ALL_ALONG = Row("PLUGIN_CRASHED", "PLUGIN_CRASHED", "FUNCTION_CRASHED")
"""What ends the process of a library: in Lambda that is the function itself."""

RUST: dict[str, Row] = {
    # What ends a process.
    "segfault": TAKES_ALL_ALONG,
    "segfault_stream": lambda_only("FUNCTION_CRASHED"),
    "abort": TAKES_ALL_ALONG,
    "abort_stream": lambda_only("FUNCTION_CRASHED"),
    "exit": TAKES_ALL_ALONG,
    "stack_overflow": TAKES_ALL_ALONG,
    "double_release": Row(ROWS, ROWS, "FUNCTION_CRASHED"),
    "memory": Row("PLUGIN_OUT_OF_MEMORY", NO_WALL, "PLUGIN_OUT_OF_MEMORY"),
    "huge_batch": Row("PLUGIN_OUT_OF_MEMORY", NO_WALL, "PLUGIN_OUT_OF_MEMORY"),
    # What never ends.
    "endless": Row("PLUGIN_TIMEOUT", SAME_WORKER, "FUNCTION_TIMEOUT"),
    "hang_open": Row("PLUGIN_TIMEOUT", SAME_WORKER, "FUNCTION_TIMEOUT"),
    "hang_check": lambda_only("FUNCTION_TIMEOUT"),
    "hang_read": lambda_only("FUNCTION_TIMEOUT"),
    "hang_stream": by("PLUGIN_HUNG", "FUNCTION_TIMEOUT"),
    "hang_release": lambda_only("FUNCTION_TIMEOUT"),
    "stdout_flood": Row("STDOUT_FLOOD", ROWS, ROWS),
    "stderr_flood": lambda_only(ROWS),
    # What is an error.
    "panic_open": lambda_only("PLUGIN_PANIC"),
    "panic_check": lambda_only("PLUGIN_PANIC"),
    "panic_discover": lambda_only("PLUGIN_PANIC"),
    "panic_read": everywhere("PLUGIN_PANIC"),
    "panic_stream": lambda_only("PLUGIN_PANIC"),
    "panic_drop": everywhere(ROWS),
    "error_stream": lambda_only("CONNECTION_FAILED"),
    "rate_limit": everywhere("RATE_LIMIT_EXCEEDED"),
    "error_then_data": lambda_only("PLUGIN_BAD_BATCH"),
    "null_error": lambda_only("PLUGIN_ERROR"),
    "error_without_message": lambda_only("HOSTILE"),
    "unknown_status": lambda_only("PLUGIN_BAD_ANSWER"),
    "invalid_utf8": lambda_only("PLUGIN_BAD_ANSWER"),
    "invalid_json": lambda_only("PLUGIN_BAD_ANSWER"),
    "wrong_json": everywhere("PLUGIN_BAD_ANSWER"),
    "null_instance": lambda_only("PLUGIN_BAD_ANSWER"),
    "null_slots": lambda_only("PLUGIN_ERROR"),
    "null_reading": lambda_only("PLUGIN_BAD_ANSWER"),
    "null_next": lambda_only("PLUGIN_BAD_ANSWER"),
    "null_stream": lambda_only("PLUGIN_BAD_BATCH"),
    "null_get_schema": lambda_only("PLUGIN_BAD_BATCH"),
    "null_get_next": lambda_only("PLUGIN_BAD_BATCH"),
    "null_last_error": lambda_only("PLUGIN_BAD_BATCH"),
    "wrong_batch": Row("PLUGIN_BAD_DATA", "PLUGIN_BAD_DATA", "PLUGIN_BAD_ANSWER"),
    "reused_buffer": everywhere(ROWS),
    "wrong_type": everywhere(CONTRACTS),
    "wrong_columns": everywhere(CONTRACTS),
    # Writers.
    "panic_write": everywhere("PLUGIN_PANIC"),
    "panic_commit": everywhere(NOT_ASKED),
    "segfault_write": TAKES_ALL_ALONG,
    "hang_write": Row("PLUGIN_HUNG", SAME_WORKER, "FUNCTION_TIMEOUT"),
    "hang_commit": everywhere(NOT_ASKED),
    "error_write": everywhere("WRITE_FAILED"),
    "wrong_rows": Row("ROWS_LOST", "ROWS_LOST", TABLES),
    "missing_file": Row("PLUGIN_BAD_FILE", "PLUGIN_BAD_RESULT", "FILE_NOT_FOUND"),
    "stray_file": Row("PLUGIN_BAD_FILE", "PLUGIN_BAD_RESULT", "PLUGIN_BAD_RESULT"),
}
"""Of a library in Rust, `rust_plugins/hostile`: a reader, and where its name says so a writer."""

RUST_START: dict[str, Row] = {
    "refused": lambda_only("PLUGIN_VERSION_INCOMPATIBLE"),
    "null_error": lambda_only("PLUGIN_ERROR"),
    "null_table": lambda_only("PLUGIN_VERSION_INCOMPATIBLE"),
    "segfault": lambda_only("FUNCTION_CRASHED"),
    "hang": lambda_only("FUNCTION_TIMEOUT"),
}
"""What the same library does before it has a configuration."""

_SEEN_EVERYWHERE = (
    *("unreachable", "refuses_without_code", "refuses_without_message", "check_gives_true", "check_raises_foreign"),
    *("check_raises_lower_case", "tells_password", "swallows_refusal", "stream_twice", "column_unnamed"),
    *("discovery_dicts", "discovery_random", "split_raises_foreign", "plan_not_json", "unit_twice"),
    *("fingerprint_random", "cursor_ignored", "new_rows_skipped", "cursor_dict", "unit_lost", "no_units", "rows_lost"),
    *("endless", "empty_forever", "hangs", "rows_for_batches", "read_raises", "read_raises_foreign"),
    *("broken_offsets", "column_twice", "column_extra", "column_missing", "values_wrong", "rows_random"),
    "plan_forgotten",
)
SUITE: dict[str, Row] = {
    **dict.fromkeys(_SEEN_EVERYWHERE, Row(SEEN, SEEN, AS_AT_GOOGLE)),
    "reads_once": Row(CURED, CURED, AS_AT_GOOGLE),
    "slow_end": Row(SEEN, "not timed", AS_AT_GOOGLE),
    "memory_reused": Row(CURED, CURED, AS_AT_GOOGLE),
    "one_at_a_time": Row(CURED, CURED, AS_AT_GOOGLE),
    "position_back": Row(CURED, CURED, AS_AT_GOOGLE),
    "position_text": Row(CURED, CURED, AS_AT_GOOGLE),
    "huge_batch": everywhere("comes in pieces"),
    "memory_hoarded": everywhere(GONE),
    "memory_leaked": everywhere(GONE),
    "file_leaked": everywhere(GONE),
    "thread_leaked": everywhere(GONE),
    "process_leaked": everywhere(GONE),
}
"""Of the suite's own hostile reader, `dativo_ingest/testing/hostile.py`."""

HOSTILE: dict[str, dict[str, Row]] = {
    "reader in Python": PYTHON,
    "writer in Python": PYTHON_WRITER,
    "library in Rust": RUST,
    "library in Rust, when it is loaded": RUST_START,
}


def is_reason(said: str) -> bool:
    """Tell whether a place does not show a fault."""
    return said not in {ROWS, SEEN, CURED} and not said.isupper()
