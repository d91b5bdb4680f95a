"""The place gcp_functions, against the suite's Cloud Functions and Google's own client."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Event

import pytest

from dativo_dagster.functions.package import pack
from dativo_dagster.launchers.gcp_functions.admin import Project
from dativo_dagster.launchers.gcp_functions.calls import LARGEST_BYTES, CloudFunction
from dativo_dagster.launchers.gcp_functions.config import Config
from dativo_dagster.launchers.gcp_functions.connections import session_kept_alive
from dativo_dagster.launchers.gcp_functions.naming import named
from dativo_dagster.launchers.gcp_functions.source import source
from dativo_dagster.launchers.gcp_functions.tidy import leftovers
from dativo_dagster.owner import Owner
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    SandboxError,
    TransientError,
)
from dativo_ingest.exceptions import ConnectionError as UnreachableError
from dativo_ingest.model import PluginRef
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cloud_functions")]

ECHO = b"""
import json, os, time

def entry(request):
    asked = request.get_json()
    if asked.get("die"):
        os._exit(3)
    time.sleep(asked.get("sleep", 0))
    if status := asked.get("status"):
        return asked.get("say", ""), status, {"Retry-After": "7"}
    return json.dumps({"color": os.environ.get("COLOR"), "filling": "x" * asked.get("bytes", 0)})
"""
ACME = Owner(tenant="acme", job="orders", stream="lines")


@pytest.fixture
def place(cloud_functions):
    """Give the settings of a function in the suite's project, others changed as asked."""
    return lambda **changed: Config.model_validate({**cloud_functions.options, **changed})


@pytest.fixture
def deployed(place):
    """Deploy a function that echoes, and give what calls it."""
    with contextlib.ExitStack() as opened:

        def deploy(owner=ACME, main=ECHO, **changed):
            return opened.enter_context(contextlib.closing(echoing(place(**changed), owner, main)))

        yield deploy


def echoing(config, owner=ACME, main=ECHO):
    package = pack({"main.py": main})
    return CloudFunction(Project(config).deploy(named(owner, package, config), package), config)


def ask(function, **asked):
    return json.loads(function.invoke(json.dumps(asked).encode()).payload)


def creations(cloud_functions):
    return [call for call in cloud_functions.calls if call[0] == "POST" and call[1].endswith("/functions")]


def test_what_is_deployed_and_unchanged_is_used_again(deployed, cloud_functions):
    first, second = deployed(environment={"COLOR": "red"}), deployed(environment={"COLOR": "red"})
    assert ask(first)["color"] == ask(second)["color"] == "red"
    assert first.function == second.function
    assert len(creations(cloud_functions)) == 1


def test_a_changed_plugin_is_another_function_and_the_old_one_goes_by_its_age(deployed, place, cloud_functions):
    old, new = deployed(), deployed(main=ECHO + b"# changed\n")
    now, project = datetime.now(timezone.utc), Project(place())
    name = f"{project.parent}/functions/{old.function}"
    cloud_functions.functions[name]["updateTime"] = (now - timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert leftovers(project, now - timedelta(days=7), lambda _: {old.function}) == []  # somebody has it open
    (left,) = leftovers(project, now - timedelta(days=7), lambda _: {new.function})
    assert left.name == name
    project.remove(left.name)
    assert ask(new)["filling"] == ""


def test_what_the_job_says_is_what_the_platform_gets(deployed, cloud_functions):
    account = "plugin@test-project.iam.gserviceaccount.com"
    deployed(
        service_account=account,
        memory_mb=2048,
        timeout_seconds=3600,
        runtime="python3.13",
        vpc_connector="inner",
        ingress="internal",
        min_instances=1,
        max_instances=7,
        environment={"COLOR": "red"},
        labels={"team": "data"},
    )
    (function,) = cloud_functions.functions.values()
    assert function["buildConfig"]["runtime"] == "python313"
    assert function["labels"]["team"] == "data"
    service = function["serviceConfig"]
    assert {name: service[name] for name in sorted(service) if name != "uri"} == {
        "availableMemory": "2048Mi",
        "environmentVariables": {"COLOR": "red"},
        "ingressSettings": 2,
        "maxInstanceCount": 7,
        "maxInstanceRequestConcurrency": 1,
        "minInstanceCount": 1,
        "serviceAccountEmail": account,
        "timeoutSeconds": 3600,
        "vpcConnector": "inner",
    }


def test_one_that_somebody_removes_at_this_moment_is_deployed_anew(deployed, cloud_functions):
    deployed()
    (name,) = cloud_functions.functions
    cloud_functions.functions[name]["state"] = "DELETING"
    cloud_functions.calls.clear()
    with ThreadPoolExecutor(1) as threads:
        again = threads.submit(deployed)
        while not (cloud_functions.calls or again.done()):
            time.sleep(0.01)
        cloud_functions.owner.submit(cloud_functions._drop, name).result()
        assert ask(again.result())["filling"] == ""
    assert len(creations(cloud_functions)) == 1


def test_another_content_setting_or_tenant_is_another_function(deployed):
    functions = [
        deployed(),
        deployed(main=ECHO + b"# changed\n"),
        deployed(environment={"COLOR": "red"}),
        deployed(owner=Owner(tenant="ACME")),
    ]
    assert len({function.function for function in functions}) == 4


def test_the_project_is_that_of_the_credentials_when_none_is_said(place):
    assert Project(place(project_id=None)).parent == "projects/test-project/locations/europe-west1"


def test_an_account_without_the_role_of_an_invoker_is_denied(deployed, cloud_functions, monkeypatch):
    deployed()
    stranger = cloud_functions.account("visitor", invoker=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(stranger))
    with pytest.raises(AuthenticationError, match="Cloud Run Invoker") as raised:
        ask(deployed())
    assert raised.value.error_code == "FUNCTION_DENIED"


def test_an_account_that_may_not_deploy_is_told_which_roles_it_needs(deployed, cloud_functions, monkeypatch):
    stranger = cloud_functions.account("guest", deployer=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(stranger))
    with pytest.raises(AuthenticationError, match=r"docs/places-gcp\.md"):
        deployed()


def test_an_api_that_is_not_enabled_is_told_with_the_command_that_does(deployed, cloud_functions):
    cloud_functions.enabled = False
    with pytest.raises(AuthenticationError, match=r"gcloud services enable cloudfunctions\.googleapis\.com run"):
        deployed()


def test_a_google_that_cannot_be_reached_is_tried_again(deployed, place, cloud_functions, monkeypatch):
    function, key = deployed(), json.loads(cloud_functions.key_file.read_text())
    away = cloud_functions.folder / "away.json"
    away.write_text(json.dumps({**key, "token_uri": "http://127.0.0.1:1/token"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(away))
    for attempt in (lambda: ask(function), Project(place(api_endpoint="http://127.0.0.1:1")).ours):
        with pytest.raises(UnreachableError) as raised:
            attempt()
        assert (raised.value.error_code, raised.value.retryable) == ("FUNCTION_UNREACHABLE", True)


def test_no_credentials_at_all_are_an_error_of_authentication(deployed, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(AuthenticationError):
        deployed()


def test_a_function_that_takes_too_long_is_a_transient_error(deployed):
    function = deployed(timeout_seconds=1)
    with pytest.raises(TransientError) as raised:
        ask(function, sleep=3)
    assert raised.value.error_code == "FUNCTION_TIMEOUT"


def test_a_function_that_dies_is_a_retryable_error_of_the_sandbox_and_the_next_call_works(deployed):
    function = deployed()
    with pytest.raises(SandboxError) as raised:
        ask(function, die=True)
    assert (raised.value.error_code, raised.value.retryable) == ("FUNCTION_CRASHED", True)
    assert ask(function)["filling"] == ""


def test_a_reply_that_is_too_large_is_not_tried_again(deployed):
    with pytest.raises(SandboxError) as refused:
        ask(deployed(), bytes=LARGEST_BYTES + 1)
    assert not refused.value.retryable


@pytest.mark.parametrize(
    ("status", "said", "kind", "code", "retryable"),
    [
        (401, "", AuthenticationError, "FUNCTION_DENIED", False),
        (403, "", AuthenticationError, "FUNCTION_DENIED", False),
        (404, "", UnreachableError, "FUNCTION_UNREACHABLE", True),
        (413, "", SandboxError, "FUNCTION_CRASHED", False),
        (429, "Rate exceeded.", RateLimitError, "FUNCTION_THROTTLED", True),
        (500, "", SandboxError, "FUNCTION_CRASHED", True),
        (500, "aborted because there was no available instance", RateLimitError, "FUNCTION_THROTTLED", True),
        (503, "upstream connect error", SandboxError, "FUNCTION_CRASHED", True),
        (504, "upstream request timeout", TransientError, "FUNCTION_TIMEOUT", True),
    ],
)
def test_what_the_platform_answers_has_its_error_and_no_call_is_sent_twice(google, status, said, kind, code, retryable):
    function = echoing(Config.model_validate(google.options))
    (instance,) = (found for name, found in google.instances.items() if name.endswith(function.function))
    before = instance.calls
    with contextlib.closing(function), pytest.raises(kind) as raised:
        ask(function, status=status, say=said)
    assert (raised.value.error_code, raised.value.retryable) == (code, retryable)
    assert instance.calls == before + 1
    if code == "FUNCTION_THROTTLED":
        assert raised.value.retry_after == 7


def test_calls_share_an_id_token_until_it_is_about_to_end(deployed, cloud_functions):
    function, issued = deployed(), cloud_functions.accounts.id_tokens
    before = len(issued)
    for _ in range(2):
        ask(function)
    assert len(issued) == before + 1
    function._identity.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(minutes=1)
    for _ in range(2):
        ask(function)
    assert len(issued) == before + 2


def test_a_function_that_somebody_removed_is_retryable_and_deployed_anew(deployed, place, cloud_functions):
    function = deployed()
    project = Project(place())
    project.remove(f"{project.parent}/functions/{function.function}")
    project.remove(f"{project.parent}/functions/{function.function}")
    with pytest.raises(UnreachableError) as raised:
        ask(function)
    assert raised.value.retryable
    assert ask(deployed())["filling"] == ""
    assert len(creations(cloud_functions)) == 2


def test_a_function_that_is_removed_while_it_runs_is_retryable(deployed, place, cloud_functions):
    function, project = deployed(), Project(place())
    (instance,) = cloud_functions.instances.values()
    with ThreadPoolExecutor() as threads:
        running = threads.submit(ask, function, sleep=60)
        while not instance.calls:
            time.sleep(0.01)
        project.remove(f"{project.parent}/functions/{function.function}")
        with pytest.raises(SandboxError) as raised:
            running.result()
    assert (raised.value.error_code, raised.value.retryable) == ("FUNCTION_CRASHED", True)


@pytest.mark.parametrize("main", [ECHO, b"import nowhere\n"], ids=["works", "does not start"])
def test_hosts_that_deploy_the_same_at_once_share_a_function_or_its_failure(deployed, cloud_functions, main):
    slow, hosts = b"import time\ntime.sleep(0.5)\n" + main, 3
    with ThreadPoolExecutor() as threads:
        tries = [threads.submit(deployed, main=slow) for _ in range(hosts)]
        errors = [found.exception() for found in tries]
    if main == ECHO:
        assert len({found.result().function for found in tries}) == len(cloud_functions.instances) == 1
        assert ask(tries[-1].result())["filling"] == ""
    else:
        assert [error.error_code for error in errors] == ["FUNCTION_NOT_DEPLOYED"] * hosts


def test_hosts_that_find_a_function_that_failed_at_once_do_not_hinder_each_other(deployed, cloud_functions):
    with pytest.raises(ConfigurationError):
        deployed(main=b"import nowhere\n")
    cloud_functions.calls.clear()
    held = Event()
    cloud_functions.owner.submit(held.wait, 60)
    with ThreadPoolExecutor() as threads:
        tries = [threads.submit(deployed, main=b"import nowhere\n") for _ in range(2)]
        until(lambda: [method for method, _ in cloud_functions.calls].count("DELETE") >= 2, 60)
        held.set()
        errors = [found.exception() for found in tries]
    assert [error.error_code for error in errors] == ["FUNCTION_NOT_DEPLOYED"] * 2


def test_a_source_that_does_not_start_is_told_with_what_google_said_and_tried_again_next_time(deployed):
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="No module named 'nowhere'") as raised:
            deployed(main=b"import nowhere\n")
        assert raised.value.error_code == "FUNCTION_NOT_DEPLOYED"


def test_a_requirement_that_cannot_be_installed_is_told(place, tmp_path):
    plugin = tmp_path / "reader.py"
    plugin.write_text("class Reader: pass\n")
    config = place()
    package = source(PluginRef(path=str(plugin), name="Reader"), ["no-such-package-of-ours"], config.runtime)
    with pytest.raises(ConfigurationError, match="no-such-package-of-ours"):
        Project(config).deploy(named(ACME, package, config), package)


def test_leftovers_are_ours_by_label_and_older_than_asked(deployed, place, cloud_functions):
    function = deployed(labels={"team": "data"})
    project = Project(place())
    theirs = f"{project.parent}/functions/theirs"
    cloud_functions.functions[theirs] = {**cloud_functions.functions[f"{project.parent}/functions/{function.function}"]}
    cloud_functions.functions[theirs] |= {"name": theirs, "labels": {"team": "data"}}
    now = datetime.now(timezone.utc)
    assert leftovers(project, now - timedelta(hours=1), lambda _: ()) == []
    (left,) = leftovers(project, now + timedelta(hours=1), lambda _: ())
    assert left.name.endswith(function.function)
    assert (left.kind, left.owner) == ("function", "acme/orders")


def test_a_call_that_is_silent_for_long_keeps_its_connection(google):
    with session_kept_alive() as opened:
        connection = opened.get_adapter(google.endpoint).poolmanager.connection_from_url(google.endpoint)._new_conn()
        connection.connect()
        with contextlib.closing(connection):
            assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 60


def test_no_secret_of_the_account_is_logged(deployed, cloud_functions, caplog):
    with caplog.at_level(logging.DEBUG):
        ask(deployed())
    key = json.loads(cloud_functions.key_file.read_text())["private_key"]
    assert key.splitlines()[1] not in caplog.text
