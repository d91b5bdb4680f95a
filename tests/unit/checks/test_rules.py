"""Each rule of a contract is a check of its own."""

from __future__ import annotations

import pytest

from dativo_dagster.checks.rules import evaluate
from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.config.job import JobStream, Source, Target, Validation
from dativo_dagster.config.types import parse_type
from dativo_ingest.model import Counts, Violation
from dativo_ingest.result import StreamResult


def _stream(mode="quarantine"):
    contract = Contract(
        name="c",
        fields=(Field(name="id", type=parse_type("int64")),),
        rules=(Rule(kind="required", column="id"), Rule(kind="unique", column="id")),
    )
    return JobStream(
        name="s",
        source=Source(connector="csv"),
        target=Target(connector="iceberg"),
        contract=contract,
        validation=Validation(mode=mode),
    )


def _checks(*violations, mode="quarantine"):
    result = StreamResult(
        job="j", tenant="t", stream="s", table="a.b", status="committed", counts=Counts(read=9), violations=violations
    )
    return {check.name: check for check in evaluate(result, _stream(mode))}


def test_there_is_one_for_the_types_and_one_for_each_rule():
    checks = _checks()
    assert list(checks) == ["types", "id_required", "id_unique"]
    assert all(check.passed for check in checks.values())


def test_a_broken_rule_fails_its_own_check_and_shows_where():
    checks = _checks(Violation(rule="id_unique", column="id", count=2, sample=("a.csv:3", "a.csv:7")))
    assert [name for name, check in checks.items() if not check.passed] == ["id_unique"]
    assert checks["id_unique"].message == "2 of 9 rows broke it"
    assert checks["id_unique"].details["sample"] == ["a.csv:3", "a.csv:7"]


def test_a_value_of_the_wrong_type_fails_the_check_of_types():
    checks = _checks(Violation(rule="id_type", column="id", count=1))
    assert [name for name, check in checks.items() if not check.passed] == ["types"]


@pytest.mark.parametrize(("mode", "severity"), [("strict", "error"), ("warn", "warn"), ("quarantine", "warn")])
def test_only_strict_jobs_call_a_broken_rule_an_error(mode, severity):
    assert {check.severity for check in _checks(mode=mode).values()} == {severity}
