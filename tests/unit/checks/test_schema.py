"""A table that lacks a column of its contract fails a check."""

from __future__ import annotations

from dativo_dagster.checks.schema import evaluate
from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import JobStream, Source, Target
from dativo_dagster.config.types import parse_type
from dativo_ingest.model import Column
from dativo_ingest.result import StreamResult


def _check(*columns):
    fields = tuple(Field(name=name, type=parse_type("string")) for name in ("a", "b"))
    stream = JobStream(
        name="s",
        source=Source(connector="csv"),
        target=Target(connector="iceberg"),
        contract=Contract(name="c", fields=fields),
    )
    columns = tuple(Column(name=name) for name in columns)
    (check,) = evaluate(
        StreamResult(job="j", tenant="t", stream="s", table="x.y", status="committed", columns=columns), stream
    )
    return check


def test_a_table_may_have_more_than_the_contract_asks_for():
    assert _check("a", "b", "ingest_date").passed


def test_a_missing_column_is_named():
    check = _check("a")
    assert not check.passed
    assert check.message == "missing in the table: b"


def test_a_table_that_is_not_there_yet_is_no_mistake():
    assert _check().passed
