"""However much is read, a run needs the same memory."""

from __future__ import annotations

import os

import pytest

from tests.reliability import child, oracle
from tests.reliability.deliveries import CATALOG
from tests.reliability.extent import FULL

CEILING = 512 * 1024**2
FILES, ROWS = 100 if FULL else 3, 1_000_000
JOB = """
name: things
source: {connector: csv, files: "in/*.csv"}
target: {connector: iceberg, table: a.things}
contract: {name: things, schema: [{name: id, type: int64, required: true}, {name: text, type: string}]}
"""


@pytest.mark.timeout(1800)
def test_a_large_input_needs_no_more_memory_than_its_ceiling(tmp_path):
    """100 MB a file: 300 MB, in full 10 GB. The files are one file on the disk."""
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "in").mkdir()
    with (tmp_path / "in/0.csv").open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{n},{n * 7919:0>92}\n" for n in range(ROWS))
    for n in range(1, FILES):
        os.link(tmp_path / "in/0.csv", tmp_path / f"in/{n}.csv")

    code, result, peak, limited = child.run_within(tmp_path, CEILING)
    assert code == 0
    assert result["status"] == "committed", result["error"]
    assert limited or peak < CEILING
    parts = oracle.iceberg(tmp_path / CATALOG, "a.things", ["count(*)", "sum(id)"]).rows
    assert tuple(map(sum, zip(*parts, strict=True))) == (FILES * ROWS, FILES * ROWS * (ROWS - 1) // 2)
