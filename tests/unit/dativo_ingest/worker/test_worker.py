"""A worker keeps its half of the conversation with any host at the other end of a socket; here as in a container."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dativo_ingest.model import Stream, Unit
from dativo_ingest.worker.batches import from_payload, to_parts
from dativo_ingest.worker.channel import Channel

ROOT = Path(__file__).parents[4]
PLUGIN = {"path": str(ROOT / "tests" / "fakes" / "hostile.py"), "kind": "python"}
READ = {"stream": Stream(name="orders").to_json(), "unit": Unit(id="all").to_json()}


class Host:
    """Speaks frames and nothing else; logs are kept apart."""

    def __init__(self, channel, process):
        self.channel, self.process = channel, process
        self.logs = []

    def say(self, op, parts=(), **header):
        self.channel.send({"op": op, **header}, parts)

    def hear(self):
        while (frame := self.channel.receive()) is not None and frame.op == "log":
            self.logs.append(frame.header)
        return frame

    def call(self, verb, **arguments):
        self.say("call", verb=verb, arguments=arguments)

    def ask(self, verb, **arguments):
        self.call(verb, **arguments)
        return self.hear()

    def open(self, role="reader", name="Reader", **config):
        given = {"source": {}, "asset": {}, "target": {}, "output_base": "/nowhere"} | config
        plugin = {**PLUGIN, "name": name}
        self.say("open", role=role, plugin=plugin, config=given, log_level=20)
        return self.hear()

    def ends_with(self):
        return self.process.wait(timeout=60)


@pytest.fixture
def host(tmp_path):
    """A worker that connects to a path, as one in a container does."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(60)
        command = [sys.executable, "-m", "dativo_ingest.worker", "--connect", str(path)]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE)
        channel = Channel(listener.accept()[0])
    yield Host(channel, process)
    channel.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_it_opens_a_plugin_and_answers_one_verb_after_the_other(host):
    assert host.open().header == {"op": "result", "value": {"commits": False, "repeatable": False, "resumes": False}}
    assert host.ask("check").header["value"]["code"] == "SHOP_CLOSED"
    assert [s["name"] for s in host.ask("discover").header["value"]] == ["orders", "shops"]
    assert host.ask("split", stream=READ["stream"], since=None).header["value"]["after"]
    assert host.ask("reached", window={"units": [], "fingerprint": "f"}).header["value"]["value"]["reads"] == 0


def test_a_read_gives_its_batches_with_the_position_and_then_an_answer(host):
    host.open()
    host.call("read", **READ)
    frames = [host.hear() for _ in range(4)]
    assert [frame.op for frame in frames] == ["batch"] * 3 + ["result"]
    assert [frame.header.get("position") for frame in frames] == [100, 100, 100, None]
    assert from_payload(frames[0].payload).to_pydict() == {"a": [1, 2]}


def test_a_read_that_is_cancelled_is_answered_soon_and_the_next_is_whole(host):
    host.open(source={"fault": "endless"})
    host.call("read", **READ)
    host.hear()
    host.say("cancel")
    while (frame := host.hear()).op == "batch":
        pass
    assert frame.op == "result"
    host.call("read", **READ)
    assert [host.hear().op for _ in range(5)] == ["batch"] * 5


def test_a_write_asks_for_its_batches_and_never_for_many_at_once(host):
    host.open("writer", "Writer")
    host.call("write", base="/nowhere/", name="one")
    sent, wanted = 0, 0
    parts = next(to_parts(_batch()))
    while (frame := host.hear()).op == "more":
        wanted += frame.header["batches"]
        assert wanted - sent <= 2
        host.say("batch" if sent < 10 else "end", parts if sent < 10 else ())
        sent += 1
    assert frame.header["value"][0]["rows"] == 20


def test_rows_that_never_come_are_an_error_in_the_writer_and_not_its_end(host):
    host.open("writer", "Writer")
    host.call("write", base="/nowhere/", name="one")
    host.hear()
    host.say("cancel")
    while (frame := host.hear()).op == "more":
        pass
    assert frame.header["error"]["state"]["error_code"] == "CANCELLED"
    assert host.ask("commit", token="t", files=[]).header["value"]["rows"] == []


def test_an_error_is_an_answer_and_the_worker_goes_on(host):
    host.open(source={"fault": "raise"})
    host.call("read", **READ)
    while (frame := host.hear()).op == "batch":
        pass
    error = frame.header["error"]
    assert (error["class"], error["state"]["retry_after"]) == ("RateLimitError", 30)
    assert host.ask("check").op == "result"


def test_an_answer_that_is_no_json_is_an_error_of_the_plugin_unless_it_is_only_shown(host):
    host.open(source={"fault": "odd cursor"})
    error = host.ask("split", stream=READ["stream"], since=None).header["error"]["state"]
    assert "not JSON serializable" in error["message"]
    assert host.ask("check").header["value"]["details"]["path"] == "/shop"


def test_it_leaves_no_core_file(host):
    host.open()
    limits = Path(f"/proc/{host.process.pid}/limits").read_text()
    (line,) = (line.split() for line in limits.splitlines() if "core file" in line)
    assert line[4:6] == ["0", "0"]


def test_a_verb_that_there_is_not_is_an_error(host):
    host.open()
    assert host.ask("explode").header["error"]["state"]["details"]["original_error"] == "KeyError"


def test_what_the_plugin_logs_is_sent_and_what_it_prints_is_printed_at_once(host):
    host.open(source={"say": "hello"})
    host.ask("check")
    assert [(line["logger"], line["level"]) for line in host.logs] == [("shop", 30), ("py.warnings", 30)]
    assert host.process.stdout.readline() == b"hello\n"


def test_it_ends_when_it_is_told_to(host):
    host.open()
    host.say("close")
    assert host.hear() is None
    assert host.ends_with() == 0


def test_it_ends_when_the_host_is_gone_between_two_verbs(host):
    host.open()
    host.channel.close()
    assert host.ends_with() == 0


@pytest.mark.parametrize("fault", ["hang", "hang outside Python", "ignores SIGTERM"])
def test_it_ends_at_once_when_the_host_is_gone_while_the_plugin_is_busy(host, fault):
    host.open(source={"fault": fault})
    host.call("read", **READ)
    for _ in range(3):
        host.hear()
    host.channel.close()
    assert host.ends_with() == -signal.SIGKILL


def test_it_ends_when_the_host_speaks_nonsense(host):
    host.open()
    host.channel.connection.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")
    assert host.ends_with() == 0


def _batch():
    import pyarrow as pa

    return pa.record_batch({"a": [1, 2]})
