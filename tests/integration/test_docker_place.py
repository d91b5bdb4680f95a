"""A plugin in a container behaves as if it were here, and nothing of it is left."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_dagster.launchers.docker import Config, Launcher
from dativo_dagster.storage import Storage
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError, SandboxError
from dativo_ingest.model import Column, Leftover, PluginRef, Stream, Unit
from tests.native import native_library

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("docker")]

ROOT = Path(__file__).parents[2]
STREAM, UNIT = Stream(name="orders"), Unit(id="all")
JOB = os.environ.setdefault("DATIVO_TEST_JOB", f"test_docker_place-{uuid.uuid4().hex[:12]}")
"""Of this session and its hosts alone: others may use the engine, or were killed in it."""
DEFAULTS = Config()
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)
READER = """
import os, sys, time
import pyarrow as pa
from dativo_ingest import BaseReader
from dativo_ingest.exceptions import RateLimitError
from beside import ROWS

class Reader(BaseReader):
    def extract(self, state_manager=None):
        getattr(self, self.source_config.connection["do"])()
        for number in range(self.source_config.connection.get("batches", 3)):
            yield pa.record_batch({"id": list(range(number * ROWS, (number + 1) * ROWS))})
        if self.source_config.connection.get("then_wait"):
            time.sleep(600)

    def rows(self):
        print("said in the container", flush=True)

    def fails(self):
        raise RateLimitError("come again", details={"after": 3})

    def eats(self):
        kept = bytearray(400 << 20)
        for at in range(0, len(kept), 4096):
            kept[at] = 1

    def sleeps(self):
        time.sleep(600)

    def exits(self):
        os._exit(255)

    def sees(self):
        found = sorted(os.listdir("/plugin")) + sorted(os.environ)
        raise ValueError(" ".join(found))

    def links(self):
        with open("/proc/net/dev") as table:
            raise ValueError(table.read())

    def makes_folder(self):
        os.mkdir("/tmp/made")

    def imports(self):
        import six
        raise ValueError(f"six {six.__version__}")
"""
WRITER = """
import os, time
from pathlib import Path
import pyarrow.parquet as pq
import pyarrow as pa
from dativo_ingest.model import CheckResult, DataFile

class Writer:
    def __init__(self, asset, target, base):
        self.does, self.base = target.engine, base
        self.commits = bool(self.does.get("commits"))
        self.told = target.connection

    def check(self):
        return CheckResult(name="target", passed=True, message=str(self.told))

    def write(self, batches, base, name):
        path = Path(base.removeprefix("file://"), name + ".parquet")
        rows = pa.Table.from_batches(list(batches))
        if self.does.get("names"):
            path.write_bytes(b"1234")
            return [DataFile(path=self.does["names"], rows=1, bytes=4)]
        if self.does.get("lays"):
            path = Path(base.removeprefix("file://"), self.does["lays"])
            path.write_bytes(b"1234")
            return [DataFile(path=str(path), rows=1, bytes=4)]
        while self.does.get("hangs"):
            print("hangs", flush=True)
            time.sleep(0.1)
        while self.does.get("floods"):
            with open(path, "ab") as out:
                out.write(bytes(1 << 20))
        if self.does.get("link"):
            os.symlink(self.does["link"], path)
            return [DataFile(path=str(path), rows=1, bytes=self.does["bytes"])]
        pq.write_table(rows, path)
        return [DataFile(path=str(path), rows=rows.num_rows, bytes=path.stat().st_size)]

    def commit(self, token, files):
        Path(self.base, "committed").write_text(token)
        return {"token": token}

    def abort(self, files):
        pass
"""


@pytest.fixture
def folder(tmp_path, base_images):
    """A plugin's folder, with something in it that is none of the plugin's business."""
    (tmp_path / "plugin.py").write_text(READER)
    (tmp_path / "beside.py").write_text("ROWS = 1000\n")
    (tmp_path / "writer.py").write_text(WRITER)
    (tmp_path / ".env").write_text("SECRET=sk-1")
    yield tmp_path
    assert ours(base_images) == [], "no container is left"


def ours(client):
    return client.containers.list(all=True, filters={"label": f"dativo.job={JOB}"}, ignore_removed=True)


def reading(folder, do="rows", limits=DEFAULTS, **connection):
    source = {"type": "custom", "connection": {"do": do, **connection}}
    config = {"source": source, "stream": STREAM.to_json(), "tenant": "acme", "job": JOB}
    return Launcher(limits).reader(PluginRef(path=str(folder / "plugin.py"), name="Reader"), config)


def writing(folder, limits=DEFAULTS, connection=None, **does):
    config = {
        "target": {"type": "custom", "connection": connection, "engine": does},
        "asset": {"name": "orders"},
        "output_base": str(folder / "table"),
        "stream": STREAM.to_json(),
        "tenant": "acme",
        "job": JOB,
        "commits": bool(does.get("commits")),
    }
    return Launcher(limits).writer(PluginRef(path=str(folder / "writer.py"), name="Writer"), config)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def read_all(reader):
    return list(reader.read(STREAM, UNIT))


def failing(folder, do, limits=DEFAULTS, error=SandboxError):
    with pytest.raises(error) as caught, reading(folder, do, limits) as reader:
        read_all(reader)
    return caught.value


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


def test_cancel_ends_the_container_within_a_second(folder):
    with reading(folder, then_wait=True) as reader:
        batches = iter(reader.read(STREAM, UNIT))
        next(batches)
        began = time.monotonic()
        reader.cancel()
        assert time.monotonic() - began < 2, "a busy machine may need a little longer than the second"
        with pytest.raises(SandboxError, match="closed"):
            list(batches)


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
    bucket = Storage.open(base, connection)
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
        assert time.monotonic() - began < 2, "a busy machine may need a little longer than the second"
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
    mine = re.findall(r"^\s*([\w.-]+):", Path("/proc/net/dev").read_text(), re.MULTILINE)
    seen = set(re.findall(r"([\w.-]+):\s+\d+\s", links))
    assert seen == {"none": {"lo"}, "bridge": {"lo", "eth0"}, "host": set(mine)}[network]


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


def ended(reader):
    """Give the code of the error that a read ends with."""
    with pytest.raises(SandboxError) as caught:
        read_all(reader)
    return caught.value.error_code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_host_leaves_is_found_and_removed(folder, base_images, number):
    host = f"""
import os, sys
from tests.integration.test_docker_place import *
with reading(Path({str(folder)!r}), "rows", then_wait=True) as reader:
    batches = iter(reader.read(STREAM, UNIT))
    next(batches)
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", host], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -number
    launcher = Launcher(Config())
    left = [found for found in launcher.leftovers(LONG_AGO) if found.owner == f"acme/{JOB}"]
    assert {found.kind for found in left} == {"container", "folder"}
    assert all(found.why == "the process that made it is gone" for found in left)
    for found in left:
        launcher.remove(found)
        launcher.remove(found)
    assert not any(Path(found.name).exists() for found in left)
    assert [found for found in launcher.leftovers(LONG_AGO) if found.owner == f"acme/{JOB}"] == []


def test_what_a_host_that_lives_uses_is_never_left_over(folder):
    with reading(folder, then_wait=True) as reader:
        next(iter(reader.read(STREAM, UNIT)))
        tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
        assert not [found for found in Launcher(Config()).leftovers(tomorrow) if found.owner == f"acme/{JOB}"]


def test_an_image_that_nothing_uses_is_collected_by_its_age_and_built_again(folder, base_images):
    (folder / "beside.py").write_text(f"ROWS = 1000  # {uuid.uuid4()}\n")
    launcher, attach = Launcher(DEFAULTS), Config(transport="attach")
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)

    def old(since):
        return {found.name: found for found in launcher.leftovers(since) if found.kind == "image"}

    with reading(folder, limits=attach) as reader:
        image = ours(base_images)[0].image.tags[0]
        assert image not in old(tomorrow), "a container uses it"
        read_all(reader)
    assert image not in old(LONG_AGO), "it is young"
    launcher.remove(old(tomorrow)[image])
    launcher.remove(Leftover(kind="image", name=image, why="it is gone by now"))
    assert image not in old(tomorrow)
    with reading(folder, limits=attach) as reader:
        assert len(read_all(reader)) == 3


def test_an_image_of_the_job_gets_the_sdk(folder, base_images):
    with reading(folder) as reader:
        read_all(reader)
        ready = ours(base_images)[0].image
    ready.tag("dativo-test-image", "1")
    try:
        with reading(folder, limits=Config(image="dativo-test-image:1")) as reader:
            assert ours(base_images)[0].image.id != ready.id
            assert len(read_all(reader)) == 3
    finally:
        base_images.images.remove("dativo-test-image:1")


HOST_OF_ANOTHER_USER = """
import os, sys, tempfile
from tests.integration.test_docker_place import *

def job(folder):
    with reading(folder) as reader:
        assert len(read_all(reader)) == 3
    with writing(folder) as writer:
        [file] = writer.write(iter([pa.record_batch({"id": [1, 2]})]), str(folder / f"of-{os.getuid()}"), "one")
    assert os.stat(file.path).st_uid == os.getuid()
    assert os.listdir(tempfile.gettempdir()) == []

folder, user, group = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
job(folder)  # root's: whatever is imported can be read
os.setgroups([])
os.setgid(group)
os.setuid(user)
job(folder)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_host_that_is_not_root_needs_nothing_but_the_engine(folder):
    user, group = 12345, Path("/var/run/docker.sock").stat().st_gid
    home = Path(tempfile.mkdtemp(prefix="dativo-test-"))
    try:
        shutil.copytree(folder, home / "job")
        (home / "tmp").mkdir()
        for path in (home, *home.rglob("*")):
            os.chown(path, user, group)
            path.chmod(0o700 if path.is_dir() else 0o600)
        done = subprocess.run(
            [sys.executable, "-c", HOST_OF_ANOTHER_USER, home / "job", str(user), str(group)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home / "tmp")},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(home)


def test_a_plugin_may_be_called_like_a_module_of_python(folder):
    (folder / "plugin.py").rename(folder / "numbers.py")
    config = {"source": {"type": "custom", "connection": {"do": "rows"}}, "stream": STREAM.to_json(), "job": JOB}
    with Launcher(DEFAULTS).reader(PluginRef(path=str(folder / "numbers.py"), name="Reader"), config) as reader:
        assert len(read_all(reader)) == 3
