"""A plugin in a container behaves as if it were here, and nothing of it is left."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_dagster.launchers.docker import Config, Launcher
from dativo_dagster.storage import open_storage
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError, SandboxError
from dativo_ingest.model import Column, PluginRef, Stream
from tests.fakes.contained import (
    DEFAULTS,
    JOB,
    STREAM,
    UNIT,
    ended,
    failing,
    files_in,
    lay,
    ours,
    read_all,
    reading,
    writing,
)
from tests.native import native_library

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("docker")]


@pytest.fixture
def folder(tmp_path, base_images):
    """The folder of the plugins; no container of theirs is left."""
    lay(tmp_path)
    yield tmp_path
    assert ours(base_images) == []


def test_rows_and_printed_lines_come_out_of_the_container(folder, caplog):
    caplog.set_level(logging.INFO)
    with reading(folder, limits=Config(environment={"PYTHONWARNINGS": "ignore::no.Such"})) as reader:
        batches = read_all(reader)
    assert pa.Table.from_batches(batches)["id"].to_pylist() == list(range(3000))
    assert "Invalid -W option ignored: invalid module name: 'no'" in caplog.messages, "said before it could be asked"
    line = next(r for r in caplog.records if r.getMessage() == "said in the container")
    assert (line.fields["stream"], line.fields["unit"]) == ("orders", "all")


def test_the_first_batch_is_here_before_the_plugin_ends_and_a_broken_off_read_ends_it(folder, base_images):
    with reading(folder, then_wait=True) as reader:
        batches = iter(reader.read(STREAM, UNIT))
        assert next(batches).num_rows == 1000
        labels = ours(base_images)[0].labels
    assert (labels["dativo.tenant"], labels["dativo.stream"]) == ("acme", "orders")


def test_an_error_of_the_plugin_keeps_its_class_and_says_its_line_in_the_file_of_this_machine(folder):
    error = failing(folder, "fails", error=RateLimitError)
    assert error.message.endswith("come again")
    assert "in fails" in str(error.details)


def test_the_plugin_sees_its_own_files_and_no_variable_of_the_host(folder, monkeypatch):
    monkeypatch.setenv("HOST_SECRET", "sk-2")
    said = failing(folder, "sees", Config(environment={"GIVEN": "1"}), error=Exception).message
    assert "beside.py" in said
    assert "GIVEN" in said
    assert ".env" not in said
    assert "writer.py" not in said
    assert "HOST_SECRET" not in said


@pytest.mark.parametrize(
    ("do", "limits", "code"),
    [
        ("eats", {"memory_mb": 128}, "PLUGIN_OUT_OF_MEMORY"),
        ("sleeps", {"timeout_seconds": 1}, "PLUGIN_TIMEOUT"),
        ("exits", {}, "PLUGIN_CRASHED"),
    ],
)
def test_why_a_container_ended_is_told(folder, do, limits, code):
    assert failing(folder, do, Config(**limits), error=Exception).error_code == code


@pytest.mark.parametrize("transport", ["socket", "attach"])
def test_cancel_ends_the_container_at_once(folder, base_images, transport):
    with reading(folder, limits=Config(transport=transport), then_wait=True) as reader:
        batches = iter(reader.read(STREAM, UNIT))
        next(batches)
        began = time.monotonic()
        reader.cancel()
        assert time.monotonic() - began < 8, "at once it is: whoever asks politely waits for ten seconds"
        with pytest.raises(SandboxError, match="closed"):
            list(batches)
        assert ours(base_images) == []
        assert ended(reader) == "CANCELLED"


def test_what_a_writer_lays_down_is_carried_to_the_target(folder):
    with writing(folder) as writer:
        files = writer.write(iter([pa.record_batch({"id": [1, 2]})]), str(folder / "table"), "one")
        assert [(Path(f.path).name, f.rows) for f in files] == [("one.parquet", 2)]
        assert (folder / "table" / "one.parquet").stat().st_size == files[0].bytes
        writer.abort(files)
    assert not (folder / "table" / "one.parquet").exists()


@pytest.mark.parametrize("transport", ["socket", "attach"])
def test_files_are_carried_to_a_bucket_whose_keys_the_plugin_never_sees(folder, s3, s3_prefix, transport):
    base, connection = f"s3://{s3.bucket}/{s3_prefix}/", {"s3": s3.connection}
    bucket = open_storage(base, connection)
    with writing(folder, Config(transport=transport), connection) as writer:
        assert writer.check().message == "None"
        files = writer.write(iter([pa.record_batch({"id": [1, 2]})]), base, "one")
        assert [(f.path, bucket.stat(f.path).size) for f in files] == [(f"{base}one.parquet", files[0].bytes)]
        writer.abort(files)
    assert list(bucket.list(base)) == []


def test_cancel_ends_a_writer_that_hangs(folder, caplog):
    caplog.set_level(logging.INFO)
    with writing(folder, hangs=True) as writer, ThreadPoolExecutor() as threads:
        hanging = threads.submit(writer.write, iter([pa.record_batch({"id": [1]})]), str(folder / "table"), "one")
        while "hangs" not in caplog.messages:
            time.sleep(0.05)
        began = time.monotonic()
        writer.cancel()
        assert time.monotonic() - began < 8, "at once it is: whoever asks politely waits for ten seconds"
        with pytest.raises(SandboxError) as caught:
            hanging.result(10)
    assert caught.value.error_code == "CANCELLED"
    assert files_in(folder / "table") == []


def test_a_link_that_a_writer_lays_down_leads_nowhere(folder):
    secret = folder / ".env"
    with writing(folder, link=str(secret), bytes=secret.stat().st_size) as writer:  # noqa: SIM117 - reads in order
        with pytest.raises(PluginError, match="no link is followed") as caught:
            writer.write(iter([pa.record_batch({"id": [1]})]), str(folder / "table"), "one")
    assert caught.value.error_code == "PLUGIN_BAD_FILE"
    assert not (folder / "table" / "one.parquet").exists()


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"runtime": "runsc"}, "DOCKER_REFUSED"),
        ({"network": "no-such"}, "DOCKER_REFUSED"),
        ({"image": "no-such-image:1"}, "IMAGE_MISSING"),
        ({"image": "debian:bookworm-slim"}, "IMAGE_UNFIT"),
        ({"mounts": ["/no/such"]}, "MOUNT_MISSING"),
        ({"mounts": ["/no/such"], "transport": "attach"}, "DOCKER_REFUSED"),
    ],
)
def test_what_the_engine_does_not_have_is_told_and_nothing_weaker_is_taken(folder, limits, code):
    with pytest.raises((SandboxError, ConfigurationError)) as caught, reading(folder, limits=Config(**limits)):
        pass
    assert caught.value.error_code == code
    assert not Path("/no/such").exists()
    if "runtime" in limits:
        assert "`docker info` lists the runtimes" in caught.value.message


def test_no_engine_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxError) as caught, reading(tmp_path):
        pass
    assert caught.value.error_code == "DOCKER_UNAVAILABLE"


@pytest.mark.parametrize("name", ["/io/out/../out/one.parquet", "/etc/passwd", "/io/out", "/io/out/no/one.parquet"])
def test_a_name_that_leads_elsewhere_is_refused(folder, name):
    with writing(folder, names=name) as writer:  # noqa: SIM117 - reads in order
        with pytest.raises(PluginError) as caught:
            writer.write(iter([pa.record_batch({"id": [1]})]), str(folder / "table"), "one")
    assert caught.value.error_code == "PLUGIN_BAD_FILE"
    assert files_in(folder / "table") == []


def test_what_a_table_has_is_not_replaced_by_a_file_of_that_name(folder):
    (folder / "table").mkdir()
    (folder / "table" / "00000000000000000001.json").write_text("the log of a table")
    with writing(folder, lays="00000000000000000001.json") as writer:  # noqa: SIM117 - reads in order
        with pytest.raises(PluginError, match="is not called one") as caught:
            writer.write(iter([pa.record_batch({"id": [1]})]), str(folder / "table"), "one")
    assert caught.value.error_code == "PLUGIN_BAD_FILE"
    assert [path.read_text() for path in files_in(folder / "table")] == ["the log of a table"]


def test_a_writer_that_fills_the_disk_is_ended(folder):
    with writing(folder, Config(output_disk_mb=8), floods=True) as writer:  # noqa: SIM117 - reads in order
        with pytest.raises(SandboxError, match="output_disk_mb = 8") as caught:
            writer.write(iter([pa.record_batch({"id": [1]})]), str(folder / "table"), "one")
    assert caught.value.error_code == "PLUGIN_OUT_OF_DISK"


def test_a_writer_that_commits_by_itself_is_given_the_folder_of_its_target(folder):
    (folder / "table").mkdir()
    (folder / "table").chmod(0o777)
    with writing(folder, commits=True) as writer:
        files = writer.write(iter([pa.record_batch({"id": [1, 2]})]), str(folder / "table"), "one")
        assert writer.commit("t1", files) == {"token": "t1"}
    assert sorted(path.name for path in folder.glob("table/*")) == ["committed", "one.parquet"]


def test_packages_of_the_job_are_in_its_image(folder):
    assert failing(folder, "imports", Config(requirements=("six==1.17.0",)), Exception).message.count("six 1.17.0") == 1


@pytest.mark.parametrize("network", ["none", "bridge", "host"])
def test_a_container_has_the_network_that_the_job_says_and_else_none(folder, network):
    links = failing(folder, "links", Config(network=network), Exception).message
    mine = lasting(re.findall(r"^\s*([\w.-]+):", Path("/proc/net/dev").read_text(), re.MULTILINE))
    seen = re.findall(r"([\w.-]+):\s+\d+\s", links)
    assert lasting(seen) == {"none": {"lo"}, "bridge": {"lo", "eth0"}, "host": mine}[network]


def lasting(links):
    """Leave out those that the engine makes and takes away while other tests have networks and containers."""
    return {name for name in links if not name.startswith(("veth", "br-"))}


def test_a_profile_of_the_job_is_taken_instead_of_ours(folder):
    strict = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = folder / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [strict]}))
    with reading(folder, "makes_folder") as reader:
        assert len(read_all(reader)) == 3
    assert "not permitted" in failing(folder, "makes_folder", Config(seccomp_profile=str(profile)), Exception).message


def test_a_library_in_rust_runs_in_a_container(folder):
    (folder / "rows.csv").write_text("id,name\n1,a\n2,b\n")
    columns = (Column(name="id", type="int64"), Column(name="name"))
    stream = Stream(name="orders", columns=columns)
    source = {"type": "csv", "files": [str(folder / "rows.csv")]}
    config = {"source": source, "stream": stream.to_json(), "tenant": "acme", "job": JOB}
    plugin = PluginRef(path=str(native_library("csv_reader")), name="create_reader", kind="native")
    given = Config(mounts=(str(folder / "rows.csv"),))
    (folder / "rows.csv").chmod(0o644)
    with Launcher(given).reader(plugin, config) as reader:
        rows = [batch for unit in reader.split(stream, None).units for batch in reader.read(stream, unit)]
    assert pa.Table.from_batches(rows)["id"].to_pylist() == [1, 2]


def test_cancel_reaches_a_container_that_is_being_started(folder, base_images):
    slow = folder / "slow"
    slow.mkdir()
    slow.chmod(0o755)
    (slow / "sitecustomize.py").write_text(
        "import os, time\nwhile os.path.exists(os.path.dirname(__file__) + '/wait'):\n    time.sleep(0.1)\n"
    )
    given = Config(mounts=(str(slow),), environment={"PYTHONPATH": f"{slow}:/opt/dativo"})
    ends = []
    with reading(folder, limits=given, then_wait=True) as reader:
        batches = iter(reader.read(STREAM, UNIT))
        next(batches)
        (slow / "wait").touch()
        second = threading.Thread(target=lambda: ends.append(ended(reader)))
        second.start()
        while len(ours(base_images)) < 2:
            time.sleep(0.05)
        reader.cancel()
        second.join(10)
        assert ends == ["CANCELLED"]
        assert ours(base_images) == []


def test_an_image_of_the_job_gets_the_sdk_and_no_disk(folder, base_images):
    with reading(folder) as reader:
        read_all(reader)
        ready = ours(base_images)[0].commit("dativo-test-image", "1", changes="VOLUME /var/tmp")
    try:
        with reading(folder, limits=Config(image="dativo-test-image:1")) as reader:
            [container] = ours(base_images)
            assert container.image.id != ready.id
            assert "volume" not in {mount["Type"] for mount in container.attrs["Mounts"]}, "a disk without a limit"
            assert container.attrs["HostConfig"]["LogConfig"]["Type"] == "none", "the same"
            assert len(read_all(reader)) == 3
    finally:
        base_images.images.remove("dativo-test-image:1")


def test_a_plugin_may_be_called_like_a_module_of_python(folder):
    (folder / "plugin.py").rename(folder / "numbers.py")
    config = {"source": {"type": "custom", "connection": {"do": "rows"}}, "stream": STREAM.to_json(), "job": JOB}
    with Launcher(DEFAULTS).reader(PluginRef(path=str(folder / "numbers.py"), name="Reader"), config) as reader:
        assert len(read_all(reader)) == 3
