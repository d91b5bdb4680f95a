"""An engine that shares no files with this machine: rows travel over what a container reads and prints."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dativo_dagster.launchers.docker import Config
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError
from tests.fakes.contained import READER, STREAM, UNIT, failing, files_in, lay, ours, read_all, reading, writing

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("docker")]

ROOT = Path(__file__).parents[2]
ATTACH = Config(transport="attach")
MANY = 300_000


@pytest.fixture
def folder(tmp_path, base_images):
    """Plugins that print where only frames may be; no container of theirs is left."""
    printing = 'os.write(1, b"said past Python\\n"); print("said in the container", flush=True)'
    lay(tmp_path, READER.replace('print("said in the container", flush=True)', printing), MANY)
    yield tmp_path
    assert ours(base_images) == []


def test_rows_arrive_whole_beside_what_a_plugin_prints(folder, caplog):
    caplog.set_level(logging.INFO)
    with reading(folder, limits=ATTACH) as reader:
        rows = pa.Table.from_batches(read_all(reader))
    assert rows["id"].to_pylist() == list(range(3 * MANY))
    said = {record.getMessage() for record in caplog.records}
    assert {"said in the container", "said past Python"} <= said
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_why_a_container_ended_is_told(folder):
    error = failing(folder, "fails", ATTACH, RateLimitError)
    assert error.message.endswith("come again")
    assert f"{folder}/plugin.py" in str(error.details)
    assert failing(folder, "exits", ATTACH, PluginError).error_code == "PLUGIN_CRASHED"
    hungry = Config(transport="attach", memory_mb=128)
    assert failing(folder, "eats", hungry).error_code == "PLUGIN_OUT_OF_MEMORY"


def test_files_of_a_writer_are_carried_and_checked(folder):
    rows = pa.record_batch({"id": range(MANY)})
    table = folder / "table"
    with writing(folder, ATTACH) as writer:
        files = [file for name in ("one", "two") for file in writer.write(iter([rows, rows]), str(table), name)]
        assert [(Path(f.path).name, f.rows) for f in files] == [("one.parquet", 2 * MANY), ("two.parquet", 2 * MANY)]
        assert pq.read_table(table / "two.parquet")["id"].to_pylist() == [*range(MANY), *range(MANY)]
        writer.abort(files)
    assert files_in(table) == []
    for name in ("/io/out/one.parquet/../../../etc/passwd", "/io/out/no/one.parquet", "/io/out"):
        with writing(folder, ATTACH, names=name) as writer, pytest.raises(PluginError) as caught:
            writer.write(iter([rows]), str(table), "one")
        assert caught.value.error_code == "PLUGIN_BAD_FILE"
    with writing(folder, ATTACH, link="/dev/zero", bytes=10) as writer, pytest.raises(PluginError, match="10 bytes"):
        writer.write(iter([rows]), str(table), "one")
    with (
        writing(folder, Config(transport="attach", output_disk_mb=8), floods=True) as writer,
        pytest.raises(PluginError, match="No space left"),
    ):
        writer.write(iter([rows]), str(table), "one")
    assert files_in(table) == []


@contextmanager
def elsewhere():
    """Pass on what is said to the engine, as if it were at the other end of a network."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(64) as threads:
        threads.submit(_accept, listener, threads)
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener, threads):
    with suppress(OSError):  # nobody listens any more
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            far.connect("/var/run/docker.sock")
            threads.submit(_between, near, far, threads)


def _between(near, far, threads):
    with near, far:
        there = threads.submit(_pass, near, far)
        _pass(far, near)
        there.result()


def _pass(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_an_engine_on_another_machine_is_told_of_and_used(folder, caplog, monkeypatch):
    with elsewhere() as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with reading(folder, then_wait=True) as reader:
            batches = iter(reader.read(STREAM, UNIT))
            assert sum(next(batches).num_rows for _ in range(9)) == 3 * MANY
            reader.cancel()
        with writing(folder) as writer:
            assert len(writer.write(iter([pa.record_batch({"id": [1]})]), str(folder / "table"), "one")) == 1
        for limits in (Config(transport="socket"), Config(mounts=("/etc/hostname",))):
            with pytest.raises(ConfigurationError) as caught, reading(folder, limits=limits):
                pass
            assert caught.value.error_code == "DOCKER_REMOTE"
    assert "rows travel through it" in caplog.text


def test_an_engine_of_another_name_is_asked_whether_it_sees_our_files(folder, caplog, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "a-container")
    with reading(folder) as reader:
        assert sum(batch.num_rows for batch in read_all(reader)) == 3 * MANY
    assert "rows travel through it" not in caplog.text


INSIDE = """
import logging, sys
from pathlib import Path
from tests.fakes.contained import *
logging.basicConfig()
with reading(Path(sys.argv[1])) as reader:
    print(sum(batch.num_rows for batch in read_all(reader)))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of its own that the engine does not see")
def test_a_host_in_a_container_finds_out_that_the_engine_does_not_see_its_files(folder, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    alone = 'hostname inside && mount -t tmpfs tmpfs "$TMPDIR" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "--uts", "sh", "-c", alone, "sh", sys.executable, "-c", INSIDE, folder],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(own)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{3 * MANY}\n"), done.stderr
    assert "rows travel through it" in done.stderr
