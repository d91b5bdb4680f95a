"""A plugin in the place aws_lambda behaves as it does here: with the role, the layer and the bucket that it makes."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.functions.package import plugin_package
from dativo_dagster.launchers.aws_lambda import Config, Launcher
from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.model import PluginRef
from dativo_ingest.opening import open_reader
from tests.fakes import placed
from tests.fakes.placed import rows
from tests.servers.aws import ACCOUNT, RUNTIME_IMAGE, build

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("lambda")]

PLUGINS = (
    placed.PLUGINS
    + """
import pyarrow.fs

class Filling(Writer):
    def write(self, batches, base, name):
        (file,) = super().write(batches, base, name)
        if file.rows > 100: raise RuntimeError("the disk is full")
        return [file]

class Committing(Writer):
    commits = True
    def bucket(self):
        said = self.target.connection["s3"]
        return pyarrow.fs.S3FileSystem(
            access_key=said["access_key_id"], secret_key=said["secret_access_key"], region=said["region"],
            endpoint_override=said["endpoint"].partition("://")[2], scheme="http",
        )
    def write(self, batches, base, name):
        table, path = pa.Table.from_batches(list(batches)), f"{base}{name}.parquet"
        with self.bucket().open_output_stream(path.removeprefix("s3://")) as out:
            pq.write_table(table, out)
        size = self.bucket().get_file_info(path.removeprefix("s3://")).size
        return [DataFile(path=path, rows=table.num_rows, bytes=size)]
    def commit(self, token, files):
        done = self.output_base.removeprefix("s3://").rstrip("/") + "/_DONE"
        with self.bucket().open_output_stream(done) as out:
            out.write(token.encode())
        return {"token": token}
    def abort(self, files):
        for file in files:
            self.bucket().delete_file(file.path.removeprefix("s3://"))
"""
)
DOCKERFILE = f"""FROM {RUNTIME_IMAGE}
RUN pip install --no-cache-dir --disable-pip-version-check pyarrow==20.0.0 obstore==0.12.1
COPY package.zip /tmp/
RUN python3 -m zipfile -e /tmp/package.zip /var/task
"""
READ = {
    "tenant": "acme",
    "job": "orders",
    "source": {"type": "custom"},
    "stream": {"name": "lines"},
    "base": os.fspath("."),
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Give a plugin of the one file by its class: they all share one function."""
    file = tmp_path_factory.mktemp("plugins") / "orders.py"
    file.write_text(PLUGINS)
    return lambda name: PluginRef(path=str(file), name=name)


@pytest.fixture
def launcher(aws_place):
    """Give launchers."""
    return lambda **changed: Launcher(Config.model_validate({**aws_place, **changed}))


@pytest.fixture
def lake(aws):
    """Give a bucket, and the connection to it of somebody who may use it alone; both are for plugins in functions."""
    client = aws.client("s3")
    client.create_bucket(Bucket="lake")
    mine = ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"]
    may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": mine}]}
    key = {name.lower().removeprefix("aws_"): value for name, value in aws.user(may).items()}
    yield {"s3": {"endpoint": aws.inner, "region": aws.region, **key}}
    for name in aws.keys("lake"):
        client.delete_object(Bucket="lake", Key=name)
    client.delete_bucket(Bucket="lake")


def writing(connection, base="s3://lake/", *, commits=False):
    """Give the configuration of a writer."""
    target = {"type": "custom", "connection": connection}
    common = {name: READ[name] for name in ("tenant", "job", "stream", "base")}
    return {**common, "target": target, "asset": {"name": "lines"}, "output_base": base, "commits": commits}


def test_a_reader_gives_the_rows_that_it_gives_here_and_leaves_no_row_in_the_staging_folder(launcher, plugin, aws):
    here = rows(open_reader(plugin("Reader"), READ))
    there = rows(launcher().reader(plugin("Reader"), READ))
    assert len(here) == 30
    assert there == here
    assert rows(launcher(inline_mb=0).reader(plugin("Reader"), READ)) == here  # by the bucket
    assert aws.staged == []


def test_an_error_of_the_plugin_comes_with_its_class_and_its_traceback(launcher, plugin):
    with pytest.raises(DativoError, match="the source is on fire") as raised:
        rows(launcher().reader(plugin("Broken"), READ))
    assert "orders.py" in raised.value.details["remote_traceback"]


def test_files_of_a_writer_are_brought_to_the_target_which_the_function_does_not_know(
    launcher, plugin, aws, lake, aws_place
):
    outside = {"s3": {"endpoint": aws.endpoint, "region": aws.region, "access_key_id": "test"}}
    outside["s3"]["secret_access_key"] = "test"
    with launcher().writer(plugin("Filling"), writing(outside)) as writer:
        (file,) = writer.write([pa.record_batch({"id": [n]}) for n in range(5)], "s3://lake/t/", "part-1")
        assert (file.path, file.rows) == ("s3://lake/t/part-1.parquet", 5)
        content = aws.client("s3").get_object(Bucket="lake", Key="t/part-1.parquet")["Body"].read()
        assert file.bytes == len(content)
        assert pq.read_table(pa.BufferReader(content))["id"].to_pylist() == [0, 1, 2, 3, 4]
        with pytest.raises(DativoError, match="the disk is full"):
            writer.write([pa.record_batch({"id": list(range(101))})], "s3://lake/t/", "part-2")
        with pytest.raises(DativoError, match="no-such-bucket"):
            writer.write([pa.record_batch({"id": [1]})], "s3://no-such-bucket/t/", "part-3")
        assert aws.keys("lake") == ["t/part-1.parquet"]
        writer.abort([file])
    assert (aws.keys("lake"), aws.staged) == ([], [])


def test_a_writer_that_commits_by_itself_uses_its_own_bucket(launcher, plugin, aws, lake):
    with launcher().writer(plugin("Committing"), writing(lake, commits=True)) as writer:
        (file,) = writer.write([pa.record_batch({"id": [1, 2]})], "s3://lake/t/", "part-1")
        stored = aws.client("s3").head_object(Bucket="lake", Key="t/part-1.parquet")
        assert (file.rows, file.bytes) == (2, stored["ContentLength"])
        (other,) = writer.write([pa.record_batch({"id": [3]})], "s3://lake/t/", "part-2")
        writer.abort([other])
        assert writer.commit("token-1", [file]) == {"token": "token-1"}
        with pytest.raises(DativoError):  # these credentials are for the one bucket
            writer.write([pa.record_batch({"id": [1]})], "s3://another-bucket/t/", "part-1")
    assert [key for key in aws.keys("lake") if not key.endswith("/")] == ["_DONE", "t/part-1.parquet"]


def test_a_writer_that_commits_by_itself_is_not_started_without_a_bucket(launcher, plugin, tmp_path):
    config = writing({}, str(tmp_path), commits=True)
    with pytest.raises(ConfigurationError, match="a bucket"), launcher().writer(plugin("Committing"), config):
        pass


def test_an_image_runs_what_is_in_it(launcher, plugin, aws, base_images, tmp_path):
    image = f"{ACCOUNT}.dkr.ecr.{aws.region}.amazonaws.com/orders:1"
    baked = tmp_path / "orders.py"
    baked.write_text(PLUGINS.replace('f"n{row}"', '"of the image"'))
    package = plugin_package(PluginRef(path=str(baked), name="Reader"), {})
    build(base_images, image, DOCKERFILE, {"package.zip": package.data})
    mine = launcher(runtime=None, image=image)
    assert {row["name"] for row in rows(mine.reader(plugin("Reader"), READ))} == {"of the image"}
    with mine.reader(plugin("Reader"), READ) as reader:
        said = aws.client("lambda").get_function(FunctionName=reader.deployed.functions.function)
    assert (said["Configuration"]["PackageType"], said["Code"]["ImageUri"]) == ("Image", image)
