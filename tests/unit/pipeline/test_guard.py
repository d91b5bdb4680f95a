"""What stops a run before it could do harm."""

from __future__ import annotations

import pytest

from dativo_dagster.config.contract import Contract
from dativo_dagster.config.job import Incremental, Job, JobStream, Merge, Source, Target
from dativo_dagster.pipeline.guard import audit, can_be_merged, first_cursor
from dativo_ingest.exceptions import ConfigurationError, TransientError, ValidationError
from dativo_ingest.model import CheckResult, Cursor, Snapshot, Unit, Window
from dativo_ingest.result import StreamResult


class Remembering:
    """A table that has rows of nobody knows whom."""

    identifier = "a.b"

    def __init__(self, rows: int, highest: object = None) -> None:
        self.rows, self.best = rows, highest

    def unaccounted(self, key: str) -> int:
        return self.rows

    def states(self) -> dict[str, object]:
        return {}

    def highest(self, column: str) -> object:
        return self.best


class Resuming:
    def resume(self, value: object) -> Cursor:
        return Cursor(value={"after": value})


def stream(mode="append", missing="stop", **merge):
    rule = Incremental(strategy="updated_at", cursor_field="at", on_missing_state=missing)
    return JobStream(
        name="s",
        source=Source(connector="postgres", incremental=rule),
        target=Target(connector="iceberg", table="a.b", mode=mode, merge=Merge(key=("id",), **merge)),
        contract=Contract(name="c", fields=()),
    )


def first(stream, table, reader=None):
    job = Job(name="j", tenant="t", path=None, streams=(stream,))
    return first_cursor(job, stream, table, reader or Resuming())


def test_rows_that_nobody_accounts_for_stop_a_run_that_would_append_them_again():
    with pytest.raises(ConfigurationError, match="7 rows and no memory") as caught:
        first(stream(), Remembering(7))
    assert caught.value.error_code == "STATE_MISSING"
    assert "t.j.s" in caught.value.message


@pytest.mark.parametrize(
    ("stream", "table"),
    [
        pytest.param(stream(), Remembering(0), id="the table is empty"),
        pytest.param(stream(missing="read_all"), Remembering(7), id="the job says so"),
        pytest.param(stream(mode="merge"), Remembering(7), id="a merge doubles nothing"),
    ],
)
def test_a_stream_starts_at_its_beginning_when(stream, table):
    assert first(stream, table) is None


def test_a_lost_cursor_is_recovered_from_the_tables_highest_value():
    assert first(stream(missing="recover"), Remembering(7, highest=42)) == Cursor(value={"after": 42})


@pytest.mark.parametrize("reader", [Resuming(), object()], ids=["no value", "a reader that cannot"])
def test_a_cursor_that_cannot_be_recovered_stops_the_run(reader):
    with pytest.raises(ConfigurationError) as caught:
        first(stream(missing="recover"), Remembering(7, highest=42 if type(reader) is object else None), reader)
    assert caught.value.error_code == "STATE_NOT_RECOVERABLE"


def test_what_a_run_did_not_read_is_not_deleted():
    window = Window(units=(Unit(id="all"),), fingerprint="x")
    with pytest.raises(ConfigurationError) as caught:
        can_be_merged(stream(mode="merge", delete_missing=True), window)
    assert caught.value.error_code == "SOURCE_NOT_WHOLE"
    can_be_merged(stream(mode="merge", delete_missing=True), Window(units=window.units, fingerprint="x", whole=True))
    can_be_merged(stream(mode="merge"), window)


class Rejecting:
    """A table with branches, which cannot be reached when the reason is to be left there."""

    def __init__(self):
        self.reasons = []

    def reject(self, snapshot, reason):
        assert snapshot.branch
        self.reasons.append(reason)
        raise TransientError("the catalog is away")


def test_a_failed_check_keeps_a_commit_on_its_branch_and_says_why():
    told = {"job": "j", "tenant": "t", "stream": "s", "table": "a.b", "status": "committed"}
    branch, table = Snapshot(id="1", table="a.b", token="x", branch="dativo-x"), Rejecting()
    warned = CheckResult(name="types", passed=False, severity="warn")
    audit(stream(), StreamResult(**told, snapshot=branch, checks=(warned,)), table)
    failed = CheckResult(name="row_bounds", passed=False, message="1 rows, and the contract says at least 2")
    with pytest.raises(ValidationError, match="row_bounds: 1 rows") as caught:
        audit(stream(), StreamResult(**told, snapshot=branch, checks=(warned, failed)), table)
    assert caught.value.details["branch"] == "dativo-x"
    assert table.reasons == ["row_bounds: 1 rows, and the contract says at least 2"]
