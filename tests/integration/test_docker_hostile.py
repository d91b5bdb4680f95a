"""Plugins that attack through a whole place: what they try from their verbs, and what they tell and lay down.

`test_docker_escapes` has the attacks that need no plugin; here each is tried by one, opened as a job opens it.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

from dativo_dagster.launchers import process
from dativo_dagster.launchers.docker import Config, Launcher
from dativo_ingest.exceptions import DativoError
from dativo_ingest.model import PluginRef, Stream, Unit
from dativo_ingest.testing import http_server

pytestmark = [pytest.mark.docker, pytest.mark.integration, pytest.mark.xdist_group("docker")]

STREAM, UNIT = Stream(name="orders"), Unit(id="all")
JOB = f"test_docker_hostile-{uuid.uuid4().hex[:12]}"
"""Of this session alone: others may use the engine, or were killed in it."""
HOSTILE = Path(__file__).parents[1] / "fakes" / "intruder.py"
SECRET = "s3cret-of-the-host"
ONE_ROW = pa.record_batch({"id": [1]})


@pytest.fixture(autouse=True)
def _no_container_is_left(base_images):
    yield
    left = base_images.containers.list(all=True, filters={"label": f"dativo.job={JOB}"}, ignore_removed=True)
    assert left == []


def reading(launcher, **connection):
    source = {"type": "custom", "connection": connection}
    config = {"source": source, "stream": STREAM.to_json(), "tenant": "acme", "job": JOB}
    return launcher.reader(PluginRef(path=str(HOSTILE), name="Reader"), config)


def writing(table, limits=None, **options):
    target = {"type": "custom", "engine": {"options": options}}
    config = {"target": target, "asset": {"name": "orders"}, "output_base": str(table), "stream": STREAM.to_json()}
    config |= {"tenant": "acme", "job": JOB, "commits": False}
    return Launcher(limits or Config()).writer(PluginRef(path=str(HOSTILE), name="Writer"), config)


def tried(launcher, **facts):
    """Let the reader try all that it knows; gives what came of each."""
    with reading(launcher, do="try_all", **facts) as reader:
        rows = [row for batch in reader.read(STREAM, UNIT) for row in batch.to_pylist()]
    return {row["attack"]: row["outcome"] for row in rows}


def failing(do, **limits):
    with pytest.raises(DativoError) as caught, reading(Launcher(Config(**limits)), do=do) as reader:
        list(reader.read(STREAM, UNIT))
    return caught.value


def test_nothing_of_the_host_is_reached_seen_or_changed(monkeypatch, tmp_path):
    monkeypatch.setenv("DATIVO_HOST_SECRET", SECRET)
    (tmp_path / "rows-of-another-job").write_text("x")
    with http_server({"/": {"objects": []}}) as server, reading(Launcher(Config()), do="rows") as other:
        next(iter(other.read(STREAM, UNIT)))
        facts = {"port": int(server.url.rpartition(":")[2]), "other": str(tmp_path), "secret": SECRET}
        inside = tried(Launcher(Config()), **facts)
        outside = tried(process.Launcher(process.Config(environment={"DATIVO_HOST_SECRET": SECRET})), **facts)
    assert {name for name, outcome in inside.items() if outcome == "worked"} == set(), inside
    walls = {"connect_to_loopback", "list_the_files_of_another_job", "list_the_rooms_of_others", "find_the_secret"}
    assert walls <= {name for name, outcome in outside.items() if outcome == "worked"}, outside


@pytest.mark.parametrize(
    ("do", "limits", "code"),
    [
        ("flood", {"output_mb": 1}, "STDOUT_FLOOD"),
        ("speak_nonsense", {}, "WIRE_BROKEN"),
        ("tell_of_a_huge_frame", {}, "WIRE_BROKEN"),
        ("tell_of_more_than_its_memory", {"memory_mb": 128}, "WIRE_BROKEN"),
        ("answer_with_millions_of_lists", {}, "WIRE_BROKEN"),
        ("answer_for_the_worker", {}, "WIRE_BROKEN"),
        ("send_a_pickle_for_a_batch", {}, "PLUGIN_BAD_DATA"),
        ("send_nulls_without_end", {}, "PLUGIN_BAD_DATA"),
        ("ignore_the_end", {"timeout_seconds": 2}, "PLUGIN_TIMEOUT"),
        ("eat", {"memory_mb": 128}, "PLUGIN_OUT_OF_MEMORY"),
        ("eat_in_a_child", {"memory_mb": 128, "timeout_seconds": 20}, "PLUGIN_OUT_OF_MEMORY"),
    ],
)
def test_a_plugin_that_breaks_a_limit_is_ended_and_told(do, limits, code):
    error = failing(do, **limits)
    assert error.error_code == code, error
    assert not error.retryable


def test_a_plugin_that_ignores_the_end_is_ended_when_its_read_is_given_up():
    with reading(Launcher(Config()), do="ignore_the_end_after_a_row") as reader:
        batches = iter(reader.read(STREAM, UNIT))
        next(batches)
        began = time.monotonic()
        batches.close()
    assert time.monotonic() - began < 60, "the plugin would have gone on for ten minutes"


def test_processes_and_processors_are_bounded():
    with reading(Launcher(Config(pids=24, cpus=0.2)), do="fork_and_spin") as reader:
        (row,) = [row for batch in reader.read(STREAM, UNIT) for row in batch.to_pylist()]
    assert 0 < row["forks"] < 24
    assert row["throttled"] > 0


@pytest.mark.parametrize(
    "lay",
    ["link", "link_to_folder", "socket", "folder", "shorter", "not_there", "text_for_a_path"],
)
def test_what_is_no_file_of_the_writer_is_not_carried(lay, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with writing(tmp_path / "table", lay=lay, secret=str(secret), size=len(SECRET)) as writer:  # noqa: SIM117 - in order
        with pytest.raises(DativoError) as caught:
            writer.write(iter([ONE_ROW]), f"file://{tmp_path}/table/", "one")
    assert caught.value.error_code in {"PLUGIN_BAD_FILE", "WIRE_BROKEN"}
    assert [path for path in tmp_path.rglob("table/*") if path.is_file()] == []


ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at what others have mapped")


@pytest.mark.parametrize("lay", ["fill", "sparse", "many", "deep", "unlinked", pytest.param("mapped", marks=ONLY_ROOT)])
def test_what_a_writer_lays_down_is_bounded(lay, tmp_path):
    with writing(tmp_path / "table", Config(output_disk_mb=8), lay=lay) as writer:  # noqa: SIM117 - in order
        with pytest.raises(DativoError) as caught:
            writer.write(iter([ONE_ROW]), f"file://{tmp_path}/table/", "one")
    assert caught.value.error_code == "PLUGIN_OUT_OF_DISK"


def test_a_writer_and_no_reader_is_ended_before_the_disk_of_the_host_is_full(tmp_path):
    more_than_any_disk_has = Config(free_disk_mb=1 << 40)
    with reading(Launcher(more_than_any_disk_has), do="rows") as reader:
        assert next(iter(reader.read(STREAM, UNIT))).num_rows == 1
    with (
        pytest.raises(DativoError) as caught,
        writing(tmp_path / "table", more_than_any_disk_has, lay="hang") as writer,
    ):
        writer.write(iter([ONE_ROW]), f"file://{tmp_path}/table/", "one")
    assert (caught.value.error_code, caught.value.retryable) == ("HOST_OUT_OF_DISK", True)


def test_no_device_no_pipe_and_no_second_name_for_a_file_outside_can_be_made(tmp_path):
    with writing(tmp_path / "table", lay="honest") as writer:
        files = writer.write(iter([ONE_ROW]), f"file://{tmp_path}/table/", "one")
    (file,) = files
    carried = Path(file.path.removeprefix("file://"))
    assert carried.read_text() == "refused: [True, True, True]"
    assert carried.stat().st_mode & 0o7000 == 0
