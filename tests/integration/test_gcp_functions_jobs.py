"""Whole jobs whose plugins run in Google Cloud Functions: by `place`, or as the earlier system says it."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.config.load import load_job
from dativo_dagster.pipeline.jobs import run_job
from tests.fakes import placed
from tests.seeds import PYTHON_IN_GCP

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cloud_functions")]

PLUGINS = (
    placed.PLUGINS
    + """
class Orders(BaseReader):
    def extract(self, state_manager=None):
        for page in range(4):
            yield [{"id": page * 500 + n, "place": os.environ["K_SERVICE"]} for n in range(500)]
"""
)
SOURCE = """
source:
  custom_reader: plugins.py:{reader}
  {where}
"""
JOB = """
tenant: acme
{source}
target:
  connector: parquet
  table: orders
  path: {out}
  connection: {{"gcs": {connection}}}
  mode: overwrite
  {writing}
contract:
  name: orders
  schema:
    - {{name: id, type: int64, required: true}}
    - {{name: place, type: string}}
"""


@pytest.fixture
def ran(gcs, gcs_prefix, tmp_path):
    """Run a job, and give its result and what is in the lake."""
    (tmp_path / "plugins.py").write_text(PLUGINS)

    def run(where="", writing="", reader="Orders", source=SOURCE):
        job, said = tmp_path / "job.yaml", source.format(reader=reader, where=where) if source is SOURCE else source
        out, connection = f"gs://{gcs.bucket}/{gcs_prefix}/lake", json.dumps(gcs.connection)
        job.write_text(JOB.format(source=said, writing=writing, out=out, connection=connection))
        [result] = run_job(load_job(job)).streams
        keys = [key for key in gcs.keys(f"{gcs_prefix}/lake") if key.endswith(".parquet")]
        return result, [pq.read_table(pa.BufferReader(gcs.get(key))) for key in keys]

    return run


def test_a_place_says_what_it_cost_and_leaves_nothing_in_the_staging_folder(ran, gcp_place, gcs, gcs_prefix):
    result, [table] = ran(f"place: {json.dumps({'launcher': 'gcp_functions', **gcp_place})}")
    assert result.status == "committed", result.error
    assert sorted(table["id"].to_pylist()) == list(range(2000))
    (function,) = set(table["place"].to_pylist())
    used = [usage for usage in result.usage if usage.verb == "read"]
    assert [(usage.place, usage.function) for usage in used] == [("gcp_functions", function)]
    assert all(usage.seconds > 0 and usage.memory_mb == 1024 and usage.usd > 0 for usage in used)
    assert gcs.keys(f"{gcs_prefix}/staging") == []


def test_the_example_of_the_earlier_system_runs_unchanged_but_for_its_endpoints(
    ran, gcp_place, cloud_functions, tmp_path
):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_reader.py").write_text(PLUGINS.replace("class Orders", "class MyReader"))
    ours = ("api_endpoint", "staging", "staging_options")
    endpoints = "".join(f"        {name}: {json.dumps(gcp_place[name])}\n" for name in ours)
    result, [table] = ran(source=PYTHON_IN_GCP + endpoints)
    assert result.status == "committed", result.error
    assert sorted(table["id"].to_pylist()) == list(range(2000))
    ((name, function),) = cloud_functions.functions.items()
    assert set(table["place"].to_pylist()) == {name.rpartition("/")[2]}
    assert name.startswith("projects/my-project/locations/us-central1/functions/dativo-acme-")
    assert function["buildConfig"]["runtime"] == "python311"
    assert function["labels"]["dativo_tenant"] == "acme"


def test_reader_and_writer_in_functions_fill_a_table_that_the_host_commits(ran, gcp_place, gcs, gcs_prefix):
    place = f"place: {json.dumps({'launcher': 'gcp_functions', **gcp_place})}"
    result, [table] = ran(place, f"custom_writer: plugins.py:Writer\n  {place}")
    assert result.status == "committed", result.error
    assert sorted(table["id"].to_pylist()) == list(range(2000))
    assert table.schema.metadata[b"by"].startswith(b"dativo-acme-")
    assert {usage.verb for usage in result.usage if usage.usd} >= {"read", "write"}
    assert gcs.keys(f"{gcs_prefix}/staging") == []


def test_a_reader_that_fails_in_its_function_commits_nothing(ran, gcp_place, gcs, gcs_prefix):
    result, tables = ran(f"place: {json.dumps({'launcher': 'gcp_functions', **gcp_place})}", reader="Broken")
    assert result.status == "failed"
    assert "the source is on fire" in str(result.error)
    assert tables == []
    assert gcs.keys(f"{gcs_prefix}/staging") == []
