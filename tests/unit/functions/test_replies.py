"""What an invocation took is counted when it ran, and what it said is shown without secrets."""

from __future__ import annotations

import json
import logging

import pytest

from dativo_dagster.functions import faults
from dativo_dagster.functions.call import Settings
from dativo_dagster.functions.reading import FunctionReader
from dativo_ingest.exceptions import ConfigurationError, DativoError, PluginError, SandboxError, TransientError
from dativo_ingest.functions.checksums import checksum
from dativo_ingest.model import Stream, Unit
from dativo_ingest.worker.errors import error_to_json
from tests.fakes.scripted_function import Scripted, deployed, staged

SECRET = "sk-canary-55102"
READING = "plugin shop.py:Shop: read of stream 'orders', unit '7': "


def reader(tmp_path, script, **changed):
    return FunctionReader(deployed(tmp_path, script, **changed))


def ended(tmp_path, fault) -> FunctionReader:
    def script(*_):
        raise fault

    far = reader(tmp_path, script)
    with pytest.raises(DativoError) as caught:
        far.check()
    assert caught.value is fault
    assert caught.value.details["verb"] == "check"
    assert fault.message.startswith("plugin shop.py:Shop: check of stream 'orders': function f")
    return far


@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        (faults.crashed("f", "status 1"), True),
        (faults.timed_out("f", 900), True),
        (faults.out_of_memory("f", 512), True),
        (faults.refused("f", "InvalidRequestContentException"), False),
        (faults.throttled("f"), False),
        (faults.denied("f", "AccessDenied"), False),
        (faults.unreachable("f", "no route"), False),
        (faults.beyond("f", "the request in bytes", 7, 6), False),
    ],
)
def test_only_what_ran_is_counted(tmp_path, fault, billed):
    far = ended(tmp_path, fault)
    assert [usage.verb for usage in far.usage] == (["check"] if billed else [])
    assert all(usage.usd > 0 and usage.peak_mb is None for usage in far.usage)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (TransientError("its time ran out", "FUNCTION_TIMEOUT"), f"{READING}its time ran out"),
        (SandboxError("a piece is gone", "FUNCTION_ROWS_LOST"), f"{READING}a piece is gone"),
        (PluginError("plugin shop.py:Shop: no such order", "PLUGIN_FAILED"), "plugin shop.py:Shop: no such order"),
    ],
)
def test_what_a_function_tells_by_itself_is_told_with_plugin_stream_and_unit(tmp_path, told, words):
    far = reader(tmp_path, lambda *_: {"error": error_to_json(told, "shop.py:Shop")})
    with pytest.raises(DativoError) as caught:
        list(far.read(Stream(name="orders"), Unit(id="7")))
    assert caught.value.message == words


@pytest.mark.parametrize(("said", "peak", "started"), [((7, True), 7, True), (("7", 1), None, False)])
def test_what_it_took_is_counted_as_the_cloud_and_the_reply_tell(tmp_path, said, peak, started):
    reply = {"result": [], "peak_mb": said[0], "started": said[1]}
    far = reader(tmp_path, lambda *_: reply)
    far.discover()
    (usage,) = far.usage
    assert (usage.place, usage.memory_mb, usage.peak_mb, usage.started) == ("test_cloud", 512, peak, started)


def test_no_secret_is_in_an_error_or_a_log(tmp_path, caplog):
    records = [{"level": 30, "logger": "shop", "message": f"key {SECRET}"}]
    told = error_to_json(PluginError(f"refused {SECRET}", details={"header": f"Bearer {SECRET}"}), "shop.py")
    far = reader(tmp_path, lambda *_: {"logs": records, "error": told}, source={"credentials": {"api": SECRET}})
    with caplog.at_level(logging.INFO, "dativo_ingest.plugin"), pytest.raises(PluginError) as caught:
        far.check()
    assert "key ***" in caplog.text
    assert SECRET not in caplog.text + str(caught.value) + repr(caught.value.args) + json.dumps(caught.value.details)


def test_no_secret_is_in_what_a_cloud_says_of_a_crash(tmp_path):
    def script(*_):
        raise faults.crashed("f", f"its environment: {SECRET}", log=f"connecting with {SECRET}")

    with pytest.raises(DativoError) as caught:
        reader(tmp_path, script, source={"credentials": {"api": SECRET}}).check()
    assert SECRET not in str(caught.value) + json.dumps(caught.value.details)


def test_a_large_configuration_goes_through_the_staging_folder_and_a_large_unit_is_refused_before_the_call(tmp_path):
    seen = []

    def script(request, folder):
        lying = (folder / "config.json").read_bytes()
        assert request["config"] == {"$object": "config.json", "crc32": checksum(lying)["crc32"]}
        seen.append(json.loads(lying)["source"]["text"])
        return {"rows": {"inline": []}, "reached": None}

    cloud = Scripted(script, request_bytes=4000)
    far = reader(tmp_path, cloud, source={"text": "x" * 5000})
    assert list(far.read(Stream(name="orders"), Unit(id="1"))) == []
    assert seen == ["x" * 5000]
    with pytest.raises(ConfigurationError) as caught:
        list(far.read(Stream(name="orders"), Unit(id="2", spec={"text": "x" * 5000})))
    assert caught.value.error_code == "FUNCTION_LIMIT"
    assert caught.value.message.startswith("plugin shop.py:Shop: read of stream 'orders', unit '2': function ")
    assert len(cloud.requests) == 1
    assert staged(tmp_path) == []


def test_a_function_is_told_no_more_than_the_cloud_allows(tmp_path):
    cloud = Scripted(lambda *_: {"result": []}, seconds=60)
    reader(tmp_path, cloud, settings=Settings(inline_bytes=9_000_000)).discover()
    limits = json.loads(cloud.requests[0])["limits"]
    assert limits["seconds"] == 60
    assert limits["inline_bytes"] * 4 / 3 < cloud.limits.reply_bytes
    assert limits["idle_seconds"] > 0


@pytest.mark.parametrize("kept", [b'[{"name": "orders"}]', b'[{"name": "shops!"}]', None])
def test_a_large_answer_is_taken_only_as_it_was_put_there(tmp_path, kept):
    told = b'[{"name": "orders"}]'

    def script(_, folder):
        if kept:
            (folder / "result.json").write_bytes(kept)
        return {"result": None, "aside": checksum(told)}

    far = reader(tmp_path, script)
    if kept == told:
        assert [stream.name for stream in far.discover()] == ["orders"]
        return
    with pytest.raises(DativoError, match="run again") as caught:
        far.discover()
    assert (caught.value.error_code, caught.value.retryable) == ("FUNCTION_ROWS_LOST", True)


def test_a_function_of_another_release_is_told_as_such(tmp_path):
    with pytest.raises(DativoError, match="build the `image` of its place anew") as caught:
        reader(tmp_path, lambda *_: {"dativo": 1, "error": {"class": "PluginVersionError"}}).discover()
    assert (caught.value.error_code, caught.value.retryable) == ("PLUGIN_VERSION_INCOMPATIBLE", False)
    assert caught.value.details["place"] == "test_cloud"
