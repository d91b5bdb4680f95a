from __future__ import annotations

import dagster as dg
import pyarrow as pa

from dativo_dagster.config.contract import Contract, Field, Rule
from dativo_dagster.config.types import parse_type
from dativo_dagster.orchestration.events import (
    SAMPLE,
    check_metadata,
    check_result,
    checks_metadata,
    checks_of,
    preview,
    promise,
    result_metadata,
    streams_metadata,
)
from dativo_ingest.model import CheckResult, Column, Counts, Snapshot, Stream
from dativo_ingest.result import StreamResult

KEY = dg.AssetKey(["acme", "orders"])
CONTRACT = Contract(
    name="orders",
    fields=(
        Field(name="id", type=parse_type("int64")),
        Field(name="email", type=parse_type("string"), classification="pii"),
        Field(name="shop", type=parse_type("string"), classification="public"),
    ),
)


def rule_outcome(name, sample):
    return CheckResult(name=name, passed=False, severity="warn", details={"violations": 99, "sample": sample})


def test_the_figures_of_a_commit_leave_out_what_is_not_known():
    facts = result_metadata(StreamResult(job="j", tenant="t", stream="s", table="x", status="nothing_new"))
    assert facts["rows_read"] == 0
    assert not {"snapshot", "dagster/row_count", "mb_per_second", "quarantine", "reason"} & set(facts)


def test_the_figures_of_a_commit_have_rows_in_the_table_and_speed():
    snapshot = Snapshot(id="7", table="x", token="t", location="file:///lake/x", total_rows=30)
    counts = Counts(read=10, written=9, rejected=1, bytes_read=2_000_000)
    result = StreamResult(
        job="j", tenant="t", stream="s", table="x", status="committed", counts=counts, snapshot=snapshot, seconds=2
    )
    facts = result_metadata(result)
    assert (facts["dagster/row_count"], facts["rows_rejected"], facts["mb_per_second"]) == (30, 1, 1.0)
    assert facts["snapshot"].value == "7"


def test_a_check_keeps_its_severity_and_a_bounded_sample():
    outcome = check_result(KEY, rule_outcome("id_required", [f"orders.csv:{n}" for n in range(99)]), CONTRACT)
    assert outcome.severity == dg.AssetCheckSeverity.WARN
    assert len(outcome.metadata["sample"].records) == SAMPLE


def test_a_sample_of_a_classified_column_stays_out_of_the_event_log():
    assert "sample" not in check_metadata(rule_outcome("email_pattern", ["x@example.com"]), ["email"])
    assert "sample" in check_metadata(rule_outcome("shop_enum", ["x"]), ["email"])


def test_checks_survive_their_way_through_a_materialization():
    checks = (CheckResult(name="schema", passed=True), rule_outcome("id_required", ["orders.csv:3"]))
    event = dg.AssetMaterialization(KEY, metadata={"checks": checks_metadata(checks)})
    assert [c.to_json() for c in checks_of(event.metadata)] == [c.to_json() for c in checks]
    assert checks_of({}) == ()


def test_a_preview_hides_classified_values_and_cannot_break_its_table():
    rows = pa.table({"id": [1, None], "email": ["a@b.c", "d"], "shop": ["a|b\nc", "x" * 200]})
    lines = preview(rows, CONTRACT).splitlines()
    assert lines[0] == "| id | email | shop |"
    assert lines[2] == "| 1 | ••• | a\\|b c |"
    assert lines[3].startswith("| NULL | ••• | xxx")
    assert len(lines[3]) < 100


def test_a_source_is_shown_as_its_streams_and_a_single_one_with_columns():
    one = Stream(name="orders", columns=(Column(name="id", type="int64", nullable=False),), primary_key=("id",))
    assert streams_metadata([one])["dagster/column_schema"].columns[0].type == "int64"
    assert "dagster/column_schema" not in streams_metadata([one, Stream(name="returns")])
    assert streams_metadata([]) == {"streams": 0}


def test_a_rule_is_told_in_a_few_words():
    rule = Rule(kind="range", column="id", parameters={"minimum": 1, "exclusive_maximum": 9, "maximum": None})
    assert promise(rule) == "range, minimum 1, exclusive maximum 9"
