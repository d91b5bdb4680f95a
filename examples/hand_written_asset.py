"""An asset written by hand that reads and writes through dativo: `dagster dev -f examples/hand_written_asset.py`.

What stands between reading and writing is your own code, on Arrow. Rows are held against a contract on both sides, and
the write is one commit: a step that is tried again adds nothing to it.
"""

# ruff: noqa: INP001 - a file to copy, in no package
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from dativo_dagster.orchestration.events import result_metadata
from dativo_dagster.orchestration.plugins import ReaderResource, WriterResource
from dativo_dagster.orchestration.progress import ProgressLog

JOBS = Path(__file__).parents[1] / "jobs"
CAPITALS = {
    "name": "capitals",
    "schema": [
        {"name": "country_code", "type": "string", "required": True, "unique": True},
        {"name": "name", "type": "string", "required": True},
        {"name": "population", "type": "int64", "minimum": 0},
    ],
}


def capitals_among(cities: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Keep the capitals, and of each what the contract asks for."""
    for batch in cities:
        yield batch.filter(pc.field("feature_code") == "PPLC").select(["country_code", "name", "population"])


@dg.asset(key=["demo", "geo", "capitals"], kinds={"csv", "iceberg"})
def capitals(
    context: dg.AssetExecutionContext, cities: ReaderResource, lake: WriterResource
) -> dg.MaterializeResult[None]:
    """The capital of each country."""
    result = lake.write(
        capitals_among(cities.read(JOBS / "contracts/world_cities.yaml", validation="warn")),
        CAPITALS,
        table="geo.capitals",
        token=f"{context.run.run_id}/capitals",
        report=ProgressLog(context.log.info),
    )
    return dg.MaterializeResult(metadata=result_metadata(result))


defs = dg.Definitions(
    assets=[capitals],
    resources={
        # A plugin is named in the same way: plugin="plugins/api.py:ApiReader", with its secret as
        # options={"credentials": {"token": dg.EnvVar("API_TOKEN")}}.
        "cities": ReaderResource(connector="csv", options={"files": "data/cities/*.csv.gz"}, base=str(JOBS)),
        "lake": WriterResource(connector="iceberg", options={"mode": "overwrite"}),
    },
)
