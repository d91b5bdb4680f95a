"""Eight processes write to one table while a ninth packs its files: every row is there once, and waits are told."""

from __future__ import annotations

import pytest

from tests.reliability import child, oracle
from tests.reliability.deliveries import CATALOG
from tests.reliability.extent import FULL

WRITERS, RUNS, ROWS = 8, 12 if FULL else 2, 40
JOB = """
name: writer{n}
source: {{connector: csv, files: "in/*.csv", incremental: {{strategy: file_modified_time}}}}
target: {{connector: iceberg, table: a.things, mode: {mode}{options}}}
contract: {{name: things, schema: [{{name: id, type: int64, required: true}}, {{name: version, type: int64}}]}}
"""


def lay_out(place, n, mode, options):
    """Give a job of its own to one writer, and the deliveries that its source will get one by one."""
    (place / f"{n}" / "in").mkdir(parents=True)
    (place / f"{n}/job.yaml").write_text(JOB.format(n=n, mode=mode, options=options))
    for number in range(RUNS):
        first = (n * RUNS + number) * ROWS
        rows = "".join(f"{row},{number}\n" for row in range(first, first + ROWS))
        (place / f"{n}/{number}.waiting").write_text("id,version\n" + rows)
    return f"{n}/job.yaml"


@pytest.mark.parametrize(("mode", "options"), [("append", ""), ("merge", ", key: [id]")])
def test_writers_at_once_beside_a_compaction_lose_and_repeat_nothing(mode, options, tmp_path):
    jobs = [lay_out(tmp_path, n, mode, options) for n in range(WRITERS)]
    statuses, reports, packed = child.writers(tmp_path, jobs, RUNS)

    assert statuses == [["committed"] * RUNS] * WRITERS
    lying = oracle.iceberg(tmp_path / CATALOG, "a.things", ["id"])
    assert sorted(row[0] for row in lying.rows) == list(range(WRITERS * RUNS * ROWS))
    assert len(lying.tokens) == len(set(lying.tokens)) == WRITERS * RUNS
    assert packed, "nothing was packed: the compaction was never beside a writer"
    assert reports, "nobody met anybody, or nobody said so"
