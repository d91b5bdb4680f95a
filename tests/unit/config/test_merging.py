"""What a job may say of merging, and what is refused where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from dativo_dagster.config.job import Incremental, Merge
from dativo_dagster.config.load import load_job
from dativo_ingest.exceptions import ConfigurationError

CONTRACT = """\
name: orders
schema:
  - {name: id, type: int64, required: true}
  - {name: at, type: timestamp}
  - {name: gone, type: boolean}
"""
JOB = """\
source: {connector: csv, files: [orders.csv]SOURCE}
target: {connector: iceberg, table: a.orders, mode: merge, TARGET}
contract: orders.contract.yaml
"""


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("orders.contract.yaml").write_text(CONTRACT)

    def load(target: str, source: str = "", mode: str = "merge"):
        text = JOB.replace("SOURCE", source).replace("TARGET", target).replace("mode: merge", f"mode: {mode}")
        Path("job.yaml").write_text(text)
        (stream,) = load_job(Path("job.yaml"), environment={}).streams
        return stream

    return load


def refused(loaded, *args, **kwargs) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(*args, **kwargs)
    return caught.value.message


def test_a_merge_says_its_key_its_order_and_its_deletions(loaded):
    target = loaded("key: id, order_by: at, deleted_column: gone").target
    assert target.mode == "merge"
    assert target.merge == Merge(key=("id",), order_by="at", deleted_column="gone")


def test_the_primary_key_of_the_contract_is_the_key_when_none_is_said(loaded):
    Path("orders.contract.yaml").write_text(CONTRACT.replace("required: true", "primary_key: true"))
    assert loaded("order_by: at").target.merge == Merge(key=("id",), order_by="at")


def test_the_columns_of_a_history_may_be_named(loaded):
    merge = loaded("key: [id], history: {valid_from: since}", mode="scd2").target.merge
    assert (merge.valid_from, merge.valid_to, merge.is_current) == ("since", "valid_to", "is_current")


@pytest.mark.parametrize(
    ("target", "where", "why"),
    [
        ("order_by: at", "2:53: target.mode", "merge needs `key`, or a primary key in the contract"),
        ("key: [id, nr]", "target.key", "the contract has no column 'nr'"),
        ("key: id, order_by: att", "target.order_by", "did you mean 'at'?"),
        ("key: id, deleted_column: deleted", "target.deleted_column", "the contract has no column 'deleted'"),
    ],
)
def test_a_merge_that_cannot_be_is_refused_where_it_stands(loaded, target, where, why):
    message = refused(loaded, target)
    assert where in message
    assert why in message


def test_a_key_in_a_mode_that_does_not_merge_is_a_mistake(loaded):
    assert "'key' is for the modes merge and scd2, and this is append" in refused(loaded, "key: id", mode="append")


def test_what_is_missing_cannot_be_deleted_when_only_new_rows_are_read(loaded):
    source = ", incremental: file_modified_time"
    assert "all older rows would be deleted" in refused(loaded, "key: id, delete_missing: true", source)
    assert loaded("key: id, delete_missing: true").target.merge.delete_missing


DATABASE = """\
source: {connector: postgres, connection: {host: h, database: d, user: u}, tables: [orders], incremental: INCREMENT}
target: {connector: iceberg, table: a.orders, mode: MODE, key: id}
contract: orders.contract.yaml
"""


def increment(text: str, mode: str = "merge") -> Incremental:
    Path("job.yaml").write_text(DATABASE.replace("INCREMENT", text).replace("MODE", mode))
    (stream,) = load_job(Path("job.yaml"), environment={}).streams
    return stream.source.incremental


def test_spans_of_a_window_are_seconds_or_units_of_the_cursor(loaded):
    rule = increment("{cursor_field: at, lookback: 2h, safe_lag: 90s, null_cursor: include, start: 2024-01-01}")
    assert (rule.lookback, rule.safe_lag, rule.null_cursor) == (7200, 90, "include")
    assert (str(rule.start), rule.on_missing_state) == ("2024-01-01", "stop")
    assert increment("{cursor_field: at, lookback: 1000}").lookback == 1000
    assert increment("{cursor_field: at, lookback_days: 2}").lookback == 172_800


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{cursor_field: at, lookback: soon}", "'soon' is no span"),
        ("{cursor_field: at, lookback: 1h, lookback_days: 2}", "`lookback` or `lookback_days`, not both"),
        ("{cursor_field: at, null_cursor: drop}", "is not one of 'fail', 'exclude' or 'include'"),
    ],
)
def test_a_window_that_cannot_be_is_refused(loaded, text, why):
    with pytest.raises(ConfigurationError, match=why):
        increment(text)


@pytest.mark.parametrize("text", ["{cursor_field: at, lookback: 1h}", "{cursor_field: at, null_cursor: include}"])
def test_rows_that_are_read_again_are_not_appended_again(loaded, text):
    Path("job.yaml").write_text(DATABASE.replace("INCREMENT", text).replace("MODE, key: id", "append"))
    with pytest.raises(ConfigurationError, match="append would double"):
        load_job(Path("job.yaml"), environment={})
