"""What hosts of containers need and leave: one that is killed, one that lives, one that is not root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dativo_dagster.launchers.docker import Config, Launcher
from dativo_ingest.model import Leftover
from tests.fakes.contained import DEFAULTS, JOB, STREAM, UNIT, lay, ours, read_all, reading

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("docker")]

ROOT = Path(__file__).parents[2]
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path, base_images):
    """The folder of the plugins; no container of theirs is left."""
    lay(tmp_path)
    yield tmp_path
    assert ours(base_images) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_host_leaves_is_found_and_removed(folder, base_images, number):
    host = f"""
import os, time
from pathlib import Path
from tests.fakes.contained import *
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


HOST_OF_ANOTHER_USER = """
import os, sys, tempfile
from pathlib import Path
import pyarrow as pa
from tests.fakes.contained import *

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
