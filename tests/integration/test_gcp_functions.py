"""The place gcp_functions, against the suite's Cloud Functions and Google's own client."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta, timezone

import pytest

from dativo_dagster.functions.package import pack
from dativo_dagster.launchers.gcp_functions.admin import Project
from dativo_dagster.launchers.gcp_functions.calls import LARGEST_BYTES, CloudFunction
from dativo_dagster.launchers.gcp_functions.config import Config
from dativo_dagster.launchers.gcp_functions.naming import Owner, named
from dativo_dagster.launchers.gcp_functions.source import source
from dativo_dagster.launchers.gcp_functions.tidy import leftovers
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    SandboxError,
    TransientError,
)
from dativo_ingest.exceptions import ConnectionError as UnreachableError
from dativo_ingest.model import PluginRef

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cloud_functions")]

ECHO = b"""
import json, os, time

def entry(request):
    asked = request.get_json()
    if asked.get("die"):
        os._exit(3)
    time.sleep(asked.get("sleep", 0))
    if status := asked.get("status"):
        return "said so", status, {"Retry-After": "7"}
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

    def deploy(owner=ACME, main=ECHO, **changed):
        config, package = place(**changed), pack({"main.py": main})
        return CloudFunction(Project(config).deploy(named(owner, package, config), package), config)

    return deploy


def ask(function, **asked):
    return json.loads(function.invoke(json.dumps(asked).encode(), 60).payload)


def creations(cloud_functions):
    return [call for call in cloud_functions.calls if call[0] == "POST" and call[1].endswith("/functions")]


def test_what_is_deployed_and_unchanged_is_used_again(deployed, cloud_functions):
    first, second = deployed(environment={"COLOR": "red"}), deployed(environment={"COLOR": "red"})
    assert ask(first)["color"] == ask(second)["color"] == "red"
    assert first.function == second.function
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


def test_a_request_that_is_too_large_is_never_sent_and_such_a_reply_is_not_tried_again(deployed):
    function = deployed()
    with pytest.raises(ConfigurationError) as raised:
        function.invoke(b"x" * (LARGEST_BYTES + 1), 60)
    assert raised.value.error_code == "FUNCTION_LIMIT"
    with pytest.raises(SandboxError) as refused:
        ask(function, bytes=LARGEST_BYTES + 1)
    assert not refused.value.retryable


def test_a_cloud_without_room_says_when_to_come_again(deployed):
    with pytest.raises(RateLimitError) as raised:
        ask(deployed(), status=429)
    assert raised.value.retry_after == 7


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
    assert leftovers(project, now - timedelta(hours=1)) == []
    (left,) = leftovers(project, now + timedelta(hours=1))
    assert left.name.endswith(function.function)
    assert (left.kind, left.owner) == ("function", "acme/orders")


def test_no_secret_of_the_account_is_logged(deployed, cloud_functions, caplog):
    with caplog.at_level(logging.DEBUG):
        ask(deployed())
    key = json.loads(cloud_functions.key_file.read_text())["private_key"]
    assert key.splitlines()[1] not in caplog.text
