"""However a call of a function ends, by plugin, instance, host or time, it is told and leaves nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dativo_dagster.functions.call import Settings
from dativo_dagster.functions.claims import leftovers
from dativo_dagster.functions.reading import FunctionReader
from dativo_dagster.functions.staging import Staging
from dativo_dagster.owner import host_label, is_gone
from dativo_ingest.exceptions import DativoError, SandboxError, TransientError
from tests.fakes.function_cloud import FAKES, STREAM, UNIT, Cloud, ProcessCloud, arrived, deployed, staged

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("functions")]


@pytest.fixture
def near(tmp_path):
    """A staging folder of a file system that both sides see."""
    return Staging(url=f"file://{tmp_path}/staging")


def test_a_read_that_is_broken_off_ends_the_function_and_leaves_nothing(near):
    cloud = ProcessCloud(FAKES)
    reading = FunctionReader(deployed(near, cloud=cloud, fault="endless")).read(STREAM, UNIT)
    next(reading)
    reading.close()
    cloud.processes[0].wait(60)
    assert staged(near) == []


def test_a_plugin_that_hangs_is_cancelled_within_two_seconds(near):
    cloud = ProcessCloud(FAKES)
    far = deployed(near, Settings(), cloud, fault="hang outside Python")
    reading = FunctionReader(far).read(STREAM, UNIT)
    # They are here although they would fit into the reply, and no further batch comes.
    assert [next(reading).num_rows for _ in range(3)] == [2, 2, 2]
    far.cancel()
    began = time.monotonic()
    with pytest.raises(DativoError) as caught:
        next(reading)
    assert caught.value.error_code == "CANCELLED"
    cloud.processes[0].wait(60)
    assert time.monotonic() - began < 60, "the plugin would have gone on for a quarter of an hour"
    assert staged(near) == []


@pytest.mark.parametrize(
    ("fault", "code", "what"),
    [
        (
            "segfault",
            "PLUGIN_CRASHED",
            "crashed with SIGSEGV; it last said:\n  Fatal Python error: Segmentation fault\n",
        ),
        ("killed", "PLUGIN_OUT_OF_MEMORY", "was killed"),
        ("exit", "PLUGIN_CRASHED", "ended its process with status "),
    ],
)
def test_a_crash_of_the_plugin_is_an_error_that_tells(near, fault, code, what):
    with pytest.raises(DativoError) as caught:
        list(FunctionReader(deployed(near, fault=fault)).read(STREAM, UNIT))
    assert caught.value.error_code == code
    assert re.match(rf"plugin \S+\.py:\w+: it {re.escape(what)}", caught.value.message)
    assert caught.value.details["unit"] == "1"
    assert staged(near) == []


def test_an_instance_that_dies_is_an_error_and_leaves_nothing(near):
    cloud = ProcessCloud(FAKES)
    far = deployed(near, cloud=cloud, fault="endless")
    reading = FunctionReader(far).read(STREAM, UNIT)
    next(reading)
    cloud.processes[0].kill()
    with pytest.raises(SandboxError) as caught:
        list(reading)
    assert caught.value.error_code == "FUNCTION_CRASHED"
    assert staged(near) == []
    assert far.usage[0].seconds > 0
    assert far.usage[0].usd > 0


def test_the_verb_ends_before_the_time_of_the_invocation_does(near):
    far = deployed(near, cloud=Cloud(FAKES, seconds=2), fault="hang")
    with pytest.raises(TransientError) as caught:
        list(FunctionReader(far).read(STREAM, UNIT))
    assert caught.value.error_code == "FUNCTION_TIMEOUT"
    assert not caught.value.retryable  # it would take as long the next time
    assert staged(near) == []


def test_a_function_whose_host_takes_no_rows_ends_by_itself_and_leaves_nothing(near):
    impatient = Settings(inline_bytes=0, piece_bytes=1, idle_seconds=2)
    far = deployed(near, impatient, fault="endless")
    reading = FunctionReader(far).read(STREAM, UNIT)
    next(reading)
    (call,) = far.calls
    reply = call.future.result(30)
    assert reply["error"]["state"]["error_code"] == "FUNCTION_IDLE"
    assert arrived(near) == []
    with pytest.raises(TransientError):
        list(reading)
    assert staged(near) == []


HOST = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[1:2]
from tests.fakes.function_cloud import FAKES, STREAM, UNIT, ProcessCloud, deployed
from dativo_dagster.functions.call import Settings
from dativo_dagster.functions.reading import FunctionReader
from dativo_dagster.functions.staging import Staging
cloud = ProcessCloud(FAKES)
impatient = Settings(inline_bytes=0, piece_bytes=1, idle_seconds=2)
reading = FunctionReader(deployed(Staging(url=sys.argv[2]), impatient, cloud, fault="endless")).read(STREAM, UNIT)
next(reading)
print(cloud.processes[0].pid, flush=True)
time.sleep(1000)
"""


def runs(pid) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_function_whose_host_is_killed_ends_and_what_is_left_is_found(near):
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", HOST, root, near.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        function = int(host.stdout.readline())
        host.kill()
    while runs(function):
        time.sleep(0.05)  # a function that did not end would be the test's timeout
    (left,) = leftovers(near, datetime.now(timezone.utc) - timedelta(days=1))
    assert (left.owner, left.why) == ("t/j", "its host is gone")
    assert arrived(near) == []
    near.remove(left)
    assert staged(near) == []


def test_folders_of_hosts_that_are_gone_are_found_and_removed(near):
    old = datetime.now(timezone.utc) - timedelta(days=1)
    living = near.folder({"tenant": "t", "job": "j"})
    dead = near.folder({"tenant": "t", "job": "j"})
    name, boot, _, _ = host_label().split("/")
    dead.put("owner.json", json.dumps({"tenant": "t", "job": "j", "host": f"{name}/{boot}/1/0"}).encode())
    dead.put("000001.arrow", b"rows")
    (found,) = leftovers(near, old)
    assert (found.name, found.owner) == (dead.url, "t/j")
    near.remove(found)
    assert leftovers(near, old) == []
    assert staged(near) == [f"{living.url}owner.json"]
    assert is_gone("another/boot/1/2") is None
