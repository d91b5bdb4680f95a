"""An engine that goes away or is frozen while a plugin runs: told as such, not waited for, and what it left."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from dativo_dagster.launchers.docker import Config, Launcher
from dativo_ingest.exceptions import PluginError, SandboxError
from dativo_ingest.model import Leftover
from tests.fakes.contained import JOB, READER, STREAM, UNIT, lay, ours, read_all, reading
from tests.servers import docker as docker_server
from tests.servers.engine_proxy import EngineProxy
from tests.waiting import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.docker,
    pytest.mark.xdist_group("docker"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # the SDK forgets one that it cannot connect
]


@pytest.fixture
def folder(tmp_path):
    """A plugin."""
    lay(tmp_path)
    return tmp_path


@pytest.fixture
def engine(base_images, tmp_path, monkeypatch):
    """An engine that goes away; what it leaves is removed."""
    proxy = EngineProxy(tmp_path / "engine.sock")
    proxy.start()
    monkeypatch.setenv("DOCKER_HOST", proxy.url)
    yield proxy
    if proxy.is_alive():
        proxy.goes_away()
    docker_server.remove(base_images, label=f"dativo.job={JOB}")
    gc.collect()  # while it is ignored that the SDK forgot a socket


def test_rows_that_travel_through_it_end_and_the_run_may_be_tried_again(folder, engine, caplog):
    with reading(folder, limits=Config(transport="attach"), then_wait=True) as reader:
        batches = reader.read(STREAM, UNIT)
        next(batches)
        engine.goes_away()
        with pytest.raises(SandboxError, match="lost its container: no Docker engine answers") as caught:
            list(batches)
    assert (caught.value.error_code, caught.value.retryable) == ("DOCKER_UNAVAILABLE", True)
    assert "`dativo places gc` removes it" in caplog.text


@pytest.mark.parametrize("how", ["cancel", "idle"])
def test_a_container_that_it_cannot_end_is_not_waited_for(folder, engine, how):
    limits = Config(idle_seconds=3) if how == "idle" else Config()
    with reading(folder, limits=limits, then_wait=True) as reader, ThreadPoolExecutor() as threads:
        batches = reader.read(STREAM, UNIT)
        for _ in range(3):
            next(batches)
        engine.goes_away()
        rest = threads.submit(list, batches)
        if how == "cancel":
            reader.cancel()
        with pytest.raises(SandboxError) as caught:
            rest.result(60)
    assert caught.value.error_code == {"cancel": "CANCELLED", "idle": "PLUGIN_HUNG"}[how]


def test_a_frozen_one_is_not_waited_for_and_removes_the_container_once_it_thaws(folder, engine, base_images, caplog):
    with reading(folder, limits=Config(transport="attach"), then_wait=True) as reader, ThreadPoolExecutor() as threads:
        batches = reader.read(STREAM, UNIT)
        for _ in range(3):
            next(batches)
        engine.freezes()
        rest = threads.submit(list, batches)
        began = time.monotonic()
        reader.cancel()
        assert time.monotonic() - began < 30, "the SDK waits for a minute, for each thing that it is told"
        with pytest.raises(SandboxError) as caught:
            rest.result(60)
    assert caught.value.error_code == "CANCELLED"
    assert [r.levelname for r in caplog.records if "is left, and" in r.getMessage()] == ["WARNING"]
    [left] = ours(base_images)
    assert left.status == "running"
    engine.thaws()
    until(lambda: ours(base_images) == [], 60)


def test_how_a_container_ended_is_told_however_late_the_engine_says_so(folder, engine):
    (folder / "plugin.py").write_text(READER.replace("time.sleep(600)", "time.sleep(1); os._exit(255)"))
    with reading(folder, then_wait=True) as reader, ThreadPoolExecutor() as threads:
        batches = reader.read(STREAM, UNIT)
        for _ in range(3):
            next(batches)
        engine.freezes()
        rest = threads.submit(list, batches)
        assert not wait([rest], 5).done
        engine.thaws()
        with pytest.raises(PluginError) as caught:
            rest.result(60)
    assert caught.value.error_code == "PLUGIN_CRASHED"


def test_rows_are_not_lost_where_only_the_container_could_not_be_removed(folder, engine, caplog):
    with reading(folder) as reader:
        assert len(read_all(reader)) == 3
        engine.goes_away()
    assert [r.levelname for r in caplog.records if "is left, and" in r.getMessage()] == ["WARNING"]


def test_a_container_that_another_removes_is_removed(folder, base_images, caplog):
    with reading(folder) as reader:
        read_all(reader)
        [container] = ours(base_images)
        container.remove(force=True)
    assert "is left" not in caplog.text


def test_two_that_collect_at_once_do_not_hinder_each_other(base_images, docker_label):
    container = base_images.containers.create(docker_server.BASE_IMAGES[1], ["sleep", "600"], labels=docker_label)
    container.start()
    left = Leftover(kind="container", name=container.id, why="it is old")
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(Launcher(Config()).remove, [left] * 4)) == [None] * 4
    assert not base_images.containers.list(all=True, filters={"id": container.id}, ignore_removed=True)
