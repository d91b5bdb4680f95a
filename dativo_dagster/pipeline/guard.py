"""What stops a run before it could do harm: lost memory, half a source for a full comparison, a failed audit."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dativo_dagster.state import keys
from dativo_ingest.exceptions import ConfigurationError, DativoError, ValidationError
from dativo_ingest.protocols import Audited

if TYPE_CHECKING:
    from dativo_dagster.config.job import Job, JobStream
    from dativo_ingest.model import Cursor, Window
    from dativo_ingest.protocols import Reader, Table
    from dativo_ingest.result import StreamResult


def first_cursor(job: Job, stream: JobStream, table: Table, reader: Reader) -> Cursor | None:
    """Give where a stream starts that the table remembers nothing of: at its beginning, as a rule.

    Raises:
        ConfigurationError: ``STATE_MISSING``: the table has rows that may be this stream's, so that reading all of the
            source would append them once more. ``STATE_NOT_RECOVERABLE``: their highest cursor does not tell where to
            go on.
    """
    rule = stream.source.incremental
    if rule is None or stream.target.mode != "append" or rule.on_missing_state == "read_all":
        return None
    rows = table.unaccounted(job.key(stream))
    if not rows:
        return None
    if rule.on_missing_state == "stop":
        raise ConfigurationError(
            f"stream {stream.name!r}: table {table.identifier} has {rows:,} rows and no memory of how far this stream "
            f"was read ({job.key(stream)}); reading it from its beginning would append rows that may be there. Put the "
            "cursor back with `dativo state set`, or say `on_missing_state: recover` (go on after the highest "
            "cursor of the table) or `read_all` in `incremental`",
            "STATE_MISSING",
            {"key": job.key(stream), "rows": rows},
        )
    if others := sorted(key for key in table.states() if keys.base(key) != keys.base(job.key(stream))):
        raise ConfigurationError(
            f"stream {stream.name!r}: table {table.identifier} is written by other streams as well ({others[0]}), and "
            "its highest cursor may be theirs: to go on after it could leave rows out; put the cursor back with "
            "`dativo state set`",
            "STATE_NOT_RECOVERABLE",
            {"key": job.key(stream), "others": others},
        )
    resume = getattr(reader, "resume", None)
    highest = table.highest(rule.cursor_field) if resume and rule.cursor_field else None
    if resume is None or highest is None:
        raise ConfigurationError(
            f"stream {stream.name!r}: table {table.identifier} has {rows:,} rows, but no value of a cursor column from "
            "which the stream could go on; put the cursor back with `dativo state set`",
            "STATE_NOT_RECOVERABLE",
            {"key": job.key(stream), "rows": rows},
        )
    found: Cursor = resume(highest)
    return found


def can_be_merged(stream: JobStream, window: Window) -> None:
    """Refuse to delete what a run did not read.

    Raises:
        ConfigurationError: ``SOURCE_NOT_WHOLE``: the job deletes what is missing, and the window is not all there is.
    """
    merge = stream.target.merge
    if merge and merge.delete_missing and window.units and not (window.whole or stream.slice):
        raise ConfigurationError(
            f"stream {stream.name!r}: delete_missing deletes the rows that a run did not read, and this source does "
            "not say that a run reads all of it; use `deleted_column`",
            "SOURCE_NOT_WHOLE",
        )


def audit(stream: JobStream, result: StreamResult, table: Table) -> None:
    """Let a commit on a branch pass, or say why it stays there; the reason is left with it.

    Raises:
        ValidationError: ``AUDIT_FAILED``: a check of severity error did not pass.
    """
    failed = [check for check in result.checks if not check.passed and check.severity == "error"]
    if not failed:
        return
    branch = result.snapshot.branch if result.snapshot else ""
    lines = "\n".join(f"  {check.name}: {check.message}" for check in failed)
    if result.snapshot and isinstance(table, Audited):
        with suppress(DativoError):  # what follows says it as well
            table.reject(result.snapshot, "; ".join(line.strip() for line in lines.splitlines()))
    raise ValidationError(
        f"stream {stream.name!r}: {len(failed)} of {len(result.checks)} checks failed, so that the rows are not "
        f"published; they are on branch {branch!r} of {result.table}.\n{lines}\nLook at them there, mend the source or "
        "the contract, and run again",
        "AUDIT_FAILED",
        {"branch": branch, "checks": [check.to_json() for check in failed]},
    )
