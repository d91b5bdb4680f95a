"""A backfill as a user launches it: three days of a PostgreSQL table, seen on the asset's page."""

from __future__ import annotations

import time

import psycopg2
import pytest

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300), pytest.mark.xdist_group("ui")]

DAYS = ["2026-03-01", "2026-03-02", "2026-03-03"]
JOB = """\
name: daily
tenant: shop
source: {{connector: postgres, host: 127.0.0.1, port: {port}, user: postgres, database: {database}, tables: daily}}
target: {{connector: iceberg, table: shop.daily}}
contract:
  name: daily
  schema: [{{name: id, type: int64, required: true}}, {{name: at, type: timestamptz, required: true}}]
partitions: {{column: at, every: day, start: 2026-03-01, end: 2026-03-11}}
"""
RELOAD = 'mutation {reloadRepositoryLocation(repositoryLocationName: "dativo") {__typename}}'
LAUNCH = """mutation ($days: [String!]) {
  launchPartitionBackfill(backfillParams: {
    assetSelection: [{path: ["shop", "shop", "daily"]}], partitionNames: $days
  }) {__typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}
}"""
STATUS = """query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename ... on PartitionBackfill {status error {message} runs: unfinishedRuns {id status}}
  }
}"""
MADE = """{assetNodeOrError(assetKey: {path: ["shop", "shop", "daily"]}) {... on AssetNode {
  assetMaterializations {partition metadataEntries {label ... on IntMetadataEntry {intValue}}}
  assetPartitionStatuses {... on TimePartitionStatuses {ranges {status startKey endKey}}}
}}}"""


@pytest.fixture
def daily(ui, pg):
    """The job in the UI, over a table with four rows a day."""
    database = pg.create_database().rpartition("/")[2]
    with psycopg2.connect(host="127.0.0.1", port=pg.port, user="postgres", dbname=database) as connection:
        connection.cursor().execute(
            """CREATE TABLE daily AS SELECT n::bigint AS id, '2026-03-01Z'::timestamptz + n * interval '6 hours' AS at
            FROM generate_series(0, 39) AS n"""
        )
    connection.close()
    job = ui.home.parent / "jobs" / "daily.yaml"
    job.write_text(JOB.format(port=pg.port, database=database))
    ui.query(RELOAD)
    yield job
    job.unlink()
    ui.query(RELOAD)


def test_a_backfill_materializes_its_days_and_the_page_shows_them(ui, page, daily, tmp_path):
    launched = ui.query(LAUNCH, days=DAYS)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    made = _made(ui, launched["backfillId"])
    rows = {
        m["partition"]: next(e["intValue"] for e in m["metadataEntries"] if e["label"] == "rows_written")
        for m in made["assetMaterializations"]
    }
    assert rows == dict.fromkeys(DAYS, 4)
    assert made["assetPartitionStatuses"]["ranges"] == [
        {"status": "MATERIALIZED", "startKey": DAYS[0], "endKey": DAYS[-1]}
    ]
    page.open(f"{ui.url}/assets/shop/shop/daily?view=partitions&partition={DAYS[1]}")
    for words in ("Materialized (3)", "at from 2026-03-02T00:00:00+00:00 to before 2026-03-03T00:00:00+00:00"):
        page.wait_for(words)
    page.picture(tmp_path / "partitions.png")


def _made(ui, backfill):
    """Wait for the end of a backfill, and give what is materialized."""
    deadline = time.monotonic() + 180
    while (state := ui.query(STATUS, id=backfill)["partitionBackfillOrError"])["status"] == "REQUESTED":
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
    assert state["status"] == "COMPLETED_SUCCESS", state
    return ui.query(MADE)["assetNodeOrError"]
