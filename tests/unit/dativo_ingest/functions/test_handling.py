"""Whatever a request or a plugin does, the reply is one, and not larger than a cloud takes."""

from __future__ import annotations

import json
import os
import uuid

import pytest

from dativo_ingest.exceptions import SandboxError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.functions.child import Child, talking
from dativo_ingest.functions.gcp import entry
from dativo_ingest.functions.handling import SMALL_BYTES, handle
from dativo_ingest.worker.client import IDLE

PLUGIN = """
import logging, os
from dativo_ingest.model import Stream

class Reader:
    def __init__(self, source): self.how = source.get("how")
    def check(self):
        if self.how == "flood":
            logging.getLogger("shop").warning("w" * 5000)
            raise ValueError("e" * 9_000_000)
        os._exit(3)
    def discover(self): return [Stream(name="n" * self.how)]
    def split(self, stream, since): pass
    def read(self, stream, unit): pass
    def position(self, unit): return 0
    def reached(self, window): return None
"""


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "shop.py").write_text(PLUGIN)
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "owner.json").write_text("{}")

    def asked(verb, how, **changed):
        request = {
            "dativo": 2,
            "id": uuid.uuid4().hex,
            "role": "reader",
            "verb": verb,
            "plugin": {"path": "shop.py", "name": "Reader", "kind": "python"},
            "config": {"source": {"type": "custom", "how": how}, "stream": {"name": "s"}},
            "staging": {"url": f"file://{staging}/"},
            "limits": {"inline_bytes": 0, "piece_bytes": 1, "ahead": 1},
            **changed,
        }
        return handle(request, remaining=lambda: 60.0, package=tmp_path)

    return asked


def error_of(reply):
    return reply["error"]["state"]


def test_an_error_that_is_too_long_for_a_reply_is_cut(ask):
    reply = ask("check", "flood")
    assert len(json.dumps(reply)) < 300_000
    assert "characters are left out" in error_of(reply)["message"]
    assert reply["logs"][0]["message"] == "w" * 5000


def test_a_plugin_that_ends_its_process_is_told(ask):
    reply = ask("check", "exit")
    assert (error_of(reply)["error_code"], reply["peak_mb"] > 0) == ("PLUGIN_CRASHED", True)


def test_a_large_answer_lies_aside(ask, tmp_path):
    reply = ask("discover", SMALL_BYTES)
    assert (reply["result"], reply["aside"]) == (
        None,
        checksum(lying := (tmp_path / "staging" / "result.json").read_bytes()),
    )
    assert len(json.loads(lying)[0]["name"]) == SMALL_BYTES


def test_a_configuration_that_is_not_the_one_that_was_put_there_is_not_used(ask, tmp_path):
    config = json.dumps({"source": {"type": "custom", "how": 3}, "stream": {"name": "s"}}).encode()
    said = {"$object": "config.json", "crc32": checksum(config)["crc32"]}
    (tmp_path / "staging" / "config.json").write_bytes(config)
    assert ask("discover", 1, config=said)["result"][0]["name"] == "nnn"
    (tmp_path / "staging" / "config.json").write_bytes(config.replace(b"3", b"4"))
    assert error_of(ask("discover", 1, config=said))["error_code"] == "FUNCTION_ROWS_LOST"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"dativo": 1}, "PLUGIN_VERSION_INCOMPATIBLE"),
        ({"plugin": None}, "PLUGIN_ERROR"),
        ({"config": {"$object": "config.json"}}, "CANCELLED"),
        ({"staging": {"url": "ftp://x/"}}, "UNKNOWN_STORAGE"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_answered(ask, changed, code):
    assert error_of(ask("discover", 1, **changed))["error_code"] == code


def test_a_verb_that_there_is_not_is_answered(ask):
    assert error_of(ask("dance", 1))["details"]["original_message"] == "'dance'"


def test_google_gets_a_reply_to_what_is_no_request():
    class Request:
        def get_data(self):
            return b"no json"

    body, status, headers = entry(Request())
    assert (status, headers) == (200, {"Content-Type": "application/json"})
    assert json.loads(body)["error"]["class"] == "PluginError"
    assert json.loads(body)["logs"] == []  # a host takes no reply without them


def test_a_child_that_is_cancelled_is_gone_and_so_is_what_it_started(tmp_path):
    child = Child(tmp_path, {})
    child.cancel()
    with pytest.raises(SandboxError, match="killed"), talking(child) as session:
        session.call(IDLE)
    child.end()
    with pytest.raises(ProcessLookupError):
        os.killpg(child.process.pid, 0)
