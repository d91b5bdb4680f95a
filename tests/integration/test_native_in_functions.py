"""Libraries in functions of both clouds: whole jobs with compiled plugins, and the rows that they give here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from dativo_dagster.config.load import load_job
from dativo_dagster.launchers.aws_lambda import Config, Launcher
from dativo_dagster.pipeline.jobs import run_job
from dativo_ingest.exceptions import ConfigurationError, SandboxError
from dativo_ingest.model import PluginRef, Stream, Unit
from tests.clibrary import c_library
from tests.native import native_library
from tests.seeds import RUST_IN_LAMBDA
from tests.servers import provided
from tests.servers.aws import KEY, AwsServer
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.rust]

FILES = {f"{number}.csv": "n,s\n" + "".join(f"{number}{n:04},näme {n}\n" for n in range(2000)) for number in (1, 2)}
JOB = """
tenant: acme
source: {source}
target: {target}
contract:
  name: orders
  schema:
    - {{name: n, type: int64, required: true}}
    - {{name: s, type: string}}
"""
Ran = Callable[..., tuple[Any, pa.Table]]


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    """Run a job, and give its result and its table; the rows are written by the library that comes with dativo."""

    def run(source: Mapping[str, Any], place: Any = None, writing: Any = None) -> tuple[Any, pa.Table]:
        job, out = tmp_path / "job.yaml", tmp_path / "lake" / str(len(list(tmp_path.glob("lake/*"))))
        target = {"connector": "parquet", "table": "orders", "path": str(out), "mode": "overwrite"}
        target |= {"custom_writer": "native:parquet_writer", "place": writing or place}
        source = {**source, "place": place} if place else source
        job.write_text(JOB.format(source=json.dumps(source), target=json.dumps(target)))
        [result] = run_job(load_job(job)).streams
        assert result.status == "committed", result.error
        return result, pq.read_table(out).sort_by("n")

    return run


@pytest.fixture
def here(ran: Ran, tmp_path: Path) -> pa.Table:
    """Give the table that a child process makes of the files."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return ran({"custom_reader": "native:csv_reader", "files": [f"{tmp_path}/*.csv"]}, "process")[1]


@pytest.fixture
def place(base_images: Any, aws_place: dict[str, Any]) -> dict[str, Any]:
    """Give the place of libraries, as a job says it."""
    provided.make_images(base_images)
    return {"launcher": "aws_lambda", **aws_place, "runtime": "provided.al2023"}


@pytest.mark.docker
@pytest.mark.xdist_group("lambda")
def test_a_job_of_two_libraries_gives_the_same_table_in_lambda(
    ran: Ran, here: pa.Table, aws: AwsServer, place: dict[str, Any]
) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="orders")
    for name, text in FILES.items():
        s3.put_object(Bucket="orders", Key=name, Body=text.encode())
    connection = {"endpoint": aws.inner, "region": aws.region, "access_key_id": KEY, "secret_access_key": KEY}
    source = {"custom_reader": "native:csv_reader", "files": ["s3://orders/*.csv"], "connection": {"s3": connection}}
    result, table = ran(source, place)
    assert table.num_rows == 4000
    assert table.equals(here)
    assert aws.staged == []
    units = [usage for usage in result.usage if usage.verb == "read"]
    assert len(units) == len(FILES)
    assert all(usage.seconds > 0 and usage.peak_mb and usage.usd for usage in units), units


@pytest.mark.docker
@pytest.mark.xdist_group("lambda")
@pytest.mark.parametrize(("abi", "runtime"), [("this", "provided.al2"), ("older", "python3.11")])
def test_the_library_of_the_seeds_example_runs_on_the_system_that_it_asks_for(
    abi: str, runtime: str, ran: Ran, aws: AwsServer, place: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    library = tmp_path / "rust/target/release/libcsv_reader.so"
    library.parent.mkdir(parents=True)
    shutil.copy(native_library("csv_reader") if abi == "this" else c_library("old"), library)
    # What the example lacks: where our server is. A function sees no file of this machine, so its file lies there, too.
    said, bucket = yaml.safe_load(RUST_IN_LAMBDA)["source"], f"example-{abi}"
    said["engine"]["cloud_execution"]["aws"] = {
        name: place[name] for name in ("region", "endpoint_url", "function_endpoint_url")
    }
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="data.csv", Body=FILES["1.csv"].encode())
    (tmp_path / "data.csv").write_text(FILES["1.csv"])
    connection = {"endpoint": aws.inner, "region": aws.region, "access_key_id": KEY, "secret_access_key": KEY}
    there = {"files": [f"s3://{bucket}/data.csv"], "connection": {"s3": connection}}

    result, table = ran({**said, **there}, writing="process")
    [read] = [usage for usage in result.usage if usage.verb == "read"]
    made = aws.client("lambda").get_function(FunctionName=read.function)["Configuration"]
    assert (made["Runtime"], made["MemorySize"], made["Timeout"]) == (runtime, 1024, 600)
    engine = said.pop("engine")
    assert engine["cloud_execution"]["runtime"] == "provided.al2"
    assert table.equals(ran(said, "process")[1])


@pytest.mark.docker
@pytest.mark.xdist_group("lambda")
def test_a_library_that_crashes_in_lambda_or_would_read_for_ever_ends_and_the_next_call_works(
    aws: AwsServer, place: dict[str, Any]
) -> None:
    launcher = Launcher(Config.model_validate({key: value for key, value in place.items() if key != "launcher"}))
    plugin = PluginRef(path=str(native_library("hostile")), name="create_reader", kind="native")
    stream, unit = Stream(name="rows"), Unit(id="all")

    def config(fault: str) -> dict[str, Any]:
        source = {"type": "custom", "engine": {"options": {"fault": fault}}}
        return {"tenant": "acme", "source": source, "stream": stream.to_json(), "base": "/"}

    with launcher.reader(plugin, config("segfault")) as reader:
        with pytest.raises(SandboxError, match="signal: segmentation fault") as crashed:
            list(reader.read(stream, unit))
        assert (crashed.value.error_code, crashed.value.retryable) == ("FUNCTION_CRASHED", True)
        assert reader.check().passed
    with launcher.reader(plugin, config("endless")) as reader:
        batches = reader.read(stream, unit)
        assert next(batches).num_rows > 0
        batches.close()  # type: ignore[attr-defined] # a generator
        assert reader.check().passed
    until(lambda: aws.staged == [], 60)  # the call that was broken off may end later than the other


def test_a_library_for_a_newer_glibc_is_refused_before_anything_is_sent() -> None:
    plugin = PluginRef(path=str(c_library("v1", "NEW_GLIBC")), name="create_reader", kind="native")
    launcher = Launcher(Config(runtime="provided.al2", staging="s3://nowhere/x", role_arn="arn:r", region="x"))
    opened = launcher.reader(plugin, {"tenant": "acme", "source": {}, "stream": {"name": "rows"}})
    with pytest.raises(ConfigurationError, match=r"needs glibc 2\.\d+ .*has 2\.26.*cargo zigbuild") as refused, opened:
        pass
    assert refused.value.error_code == "GLIBC_TOO_NEW"


@pytest.mark.xdist_group("cloud_functions")
@pytest.mark.parametrize("abi", ["this", "older"])
def test_a_job_of_two_libraries_gives_the_same_table_in_a_google_cloud_function(
    abi: str, ran: Ran, here: pa.Table, cloud_functions: Any, gcs: Any, gcs_prefix: str
) -> None:
    place = {"launcher": "gcp_functions", **cloud_functions.options}
    place |= {"staging": f"gs://{gcs.bucket}/{gcs_prefix}/staging"}
    place |= {"staging_options": {"endpoint": gcs.endpoint, "anonymous": True}}
    for name, text in FILES.items():
        gcs.put(f"{gcs_prefix}/in/{name}", text.encode())
    files = {"files": [f"gs://{gcs.bucket}/{gcs_prefix}/in/*.csv"], "connection": {"gcs": gcs.connection}}
    older = {"custom_reader": f"{c_library('old')}:create_reader"}
    _, table = ran({"custom_reader": "native:csv_reader", **files} if abi == "this" else older, place)
    assert table.equals(here if abi == "this" else ran(older, "process")[1])
    assert gcs.keys(f"{gcs_prefix}/staging") == []
