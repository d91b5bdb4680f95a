"""Runs whose rows nobody sees before their checks have passed."""

from __future__ import annotations

import pytest

from dativo_dagster.tables.iceberg import Config, Table
from tests.fakes.lake import spec


@pytest.fixture
def audited(desk, monkeypatch):
    """A job whose contract wants two rows at least."""
    monkeypatch.setenv("DATIVO_WAREHOUSE", str(desk.path / "lake"))

    def write(rows):
        file = desk.job(rows=rows)
        text = file.read_text().replace(
            "{connector: parquet, warehouse: lake, ", "{connector: iceberg, publish: audited, "
        )
        file.write_text(text.replace("contract:\n", "contract:\n  minimum_rows: 2\n"))
        return desk("run", "people")

    return write


def table():
    return Table(Config(), spec(identifier="shop.people"))._load()


def test_a_run_that_fails_its_audit_is_seen_on_its_branch_only_and_the_mended_one_in_main(audited):
    refused = audited("id,email\n1,a@x\n")
    assert refused.code == 2
    assert "AUDIT_FAILED" in refused.err + refused.out
    assert table().scan().to_arrow().num_rows == 0
    (branch,) = table().metadata.refs
    assert branch in refused.err + refused.out
    assert "at least 2" in table().properties[f"dativo.audit.{branch}"]

    assert audited("id,email\n1,a@x\n2,b@x\n").code == 0
    assert table().scan().to_arrow().num_rows == 2
