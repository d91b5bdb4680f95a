"""Whom an invocation says that it works for."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from dativo_dagster.functions.call import Deployed
from dativo_dagster.functions.cloud import Answer
from dativo_dagster.functions.staging import Folder, Staging
from dativo_dagster.owner import running
from dativo_ingest.exceptions import ConnectionError as UnreachableError
from dativo_ingest.model import PluginRef
from tests.fakes.function_cloud import ProcessCloud


class Cloud(ProcessCloud):
    """Answers nothing, and keeps what it was asked."""

    def invoke(self, payload):
        """Keep the request."""
        self.requests.append(payload)
        return Answer(payload=b'{"dativo": 2, "result": 1, "logs": []}', function="one", seconds=0.1)


def deployed(cloud, folder):
    """Give what a launcher opens."""
    config = {"tenant": "acme", "job": "orders", "stream": {"name": "lines"}}
    plugin = PluginRef(path="plugin/orders.py", name="Reader")
    staging = Staging(url=f"file://{folder}")
    return Deployed(functions=cloud, staging=staging, role="reader", plugin=plugin, config=config)


def called(ours):
    """Ask for something."""
    with ours.call("check", "", {}) as call:
        call.reply()


def test_the_run_and_the_attempt_in_which_it_was_opened_travel_with_every_call_of_any_thread(tmp_path):
    cloud = Cloud(tmp_path)
    with running("r-1", attempt=2):
        ours = deployed(cloud, tmp_path)
    with ThreadPoolExecutor() as threads:
        threads.submit(ours.ask, "check", int).result()
    assert json.loads(cloud.requests[0])["tags"] == {"run": "r-1", "stream": "lines", "unit": "", "attempt": 2}
    assert [(used.verb, used.attempt) for used in ours.usage] == [("check", 2)]


def test_a_plugin_that_is_used_by_hand_has_no_run(tmp_path):
    cloud = Cloud(tmp_path)
    deployed(cloud, tmp_path).ask("check", int)
    assert json.loads(cloud.requests[0])["tags"]["run"] == ""


def test_an_answer_counts_although_the_store_is_away_when_its_folder_is_removed(tmp_path, monkeypatch, caplog):
    ours = deployed(Cloud(tmp_path), tmp_path)
    monkeypatch.setattr(Folder, "remove", away)
    assert ours.ask("check", int) == 1
    assert "could not be removed" in caplog.text


def test_an_error_is_told_although_the_store_is_away_when_its_folder_is_removed(tmp_path, monkeypatch):
    ours = deployed(Cloud(tmp_path), tmp_path)
    monkeypatch.setattr(Folder, "remove", away)
    with pytest.raises(ZeroDivisionError), ours.call("check", "", {}):
        raise ZeroDivisionError


def test_all_calls_are_ended_although_the_store_is_away_for_one(tmp_path, monkeypatch):
    ours, asked = deployed(Cloud(tmp_path), tmp_path), []
    with ours.call("check", "", {}) as one, ours.call("check", "", {}) as other:
        one.reply(), other.reply()
        monkeypatch.setattr(Folder, "put", lambda folder, name, _: asked.append(folder) or away(folder))
        ours.cancel()
    assert {each.url for each in asked} == {one.folder.url, other.folder.url}


def away(*_, **__):
    """Be a store that does not answer."""
    raise UnreachableError("the store is away")
