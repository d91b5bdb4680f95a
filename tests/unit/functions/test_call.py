"""Whom an invocation says that it works for."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from dativo_dagster.functions.call import Deployed
from dativo_dagster.functions.cloud import Answer
from dativo_dagster.functions.staging import Staging
from dativo_dagster.owner import running
from dativo_ingest.model import PluginRef
from tests.fakes.function_cloud import ProcessCloud


class Cloud(ProcessCloud):
    """Answers nothing, and keeps what it was asked."""

    def invoke(self, payload, seconds):
        """Keep the request."""
        self.requests.append(payload)
        return Answer(payload=b'{"dativo": 1, "result": 1, "logs": []}', function="one", seconds=0.1)


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
