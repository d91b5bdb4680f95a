"""The Cloud Functions of the suite answer Google's own client as a project of Google's does."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.cloud import functions_v2
from google.oauth2 import id_token

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cloud_functions")]

MAIN = """
import json, os, time

def main(request):
    asked = request.get_json()
    if asked.get("die"):
        os._exit(3)
    time.sleep(asked.get("sleep", 0))
    answer = {"environment": sorted(os.environ), "color": os.environ.get("COLOR"), "pid": os.getpid()}
    return json.dumps({**answer, "filling": "x" * asked.get("bytes", 0)})
"""


@pytest.fixture
def client(cloud_functions):
    with functions_v2.FunctionServiceClient(
        transport="rest", client_options=ClientOptions(api_endpoint=cloud_functions.endpoint)
    ) as client:
        yield client


@pytest.fixture
def parent(cloud_functions):
    return f"projects/{cloud_functions.project}/locations/{cloud_functions.region}"


def deploy(client, parent, name="f", seconds=60, **files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as source:
        for file, text in (files or {"main": MAIN}).items():
            source.writestr(f"{file}.py", text)
    upload = client.generate_upload_url({"parent": parent})
    sent = requests.put(upload.upload_url, archive.getvalue(), headers={"Content-Type": "application/zip"}, timeout=10)
    sent.raise_for_status()
    function = {
        "build_config": {
            "runtime": "python312",
            "entry_point": "main",
            "source": {"storage_source": upload.storage_source},
        },
        "service_config": {"timeout_seconds": seconds, "environment_variables": {"COLOR": "red"}},
    }
    return client.create_function({"parent": parent, "function_id": name, "function": function}).result(timeout=60)


def call(function, audience=None, **asked):
    token = id_token.fetch_id_token(Request(), audience or function.service_config.uri)
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(function.service_config.uri, json=asked, headers=headers, timeout=60)


def test_a_function_is_deployed_called_listed_and_deleted(client, parent, monkeypatch):
    monkeypatch.setenv("NOT_FOR_FUNCTIONS", "1")
    function = deploy(client, parent)
    answer = call(function).json()
    assert answer["color"] == "red"
    assert "NOT_FOR_FUNCTIONS" not in answer["environment"]
    assert [found.name for found in client.list_functions({"parent": parent})] == [f"{parent}/functions/f"]
    with pytest.raises(exceptions.Conflict):
        deploy(client, parent)
    client.delete_function({"name": function.name}).result(timeout=60)
    with pytest.raises(exceptions.NotFound):
        client.get_function({"name": function.name})


def test_a_token_for_somebody_else_and_an_account_without_the_role_are_refused(
    client, parent, cloud_functions, monkeypatch
):
    function = deploy(client, parent)
    assert call(function, audience="https://example.com").status_code == 401
    assert requests.post(function.service_config.uri, json={}, timeout=10).status_code == 401
    stranger = cloud_functions.account("stranger", invoker=False, deployer=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(stranger))
    assert call(function).status_code == 403
    with (
        functions_v2.FunctionServiceClient(
            transport="rest", client_options=ClientOptions(api_endpoint=cloud_functions.endpoint)
        ) as other,
        pytest.raises(exceptions.Forbidden),
    ):
        other.get_function({"name": function.name})


def test_nobody_gets_in_without_a_key_of_the_account(client, parent, cloud_functions, monkeypatch):
    assert requests.get(f"{cloud_functions.endpoint}/v2/{parent}/functions", timeout=10).status_code == 401
    theirs, ours = cloud_functions.account("thief"), json.loads(cloud_functions.key_file.read_text())
    forged = cloud_functions.folder / "forged.json"
    forged.write_text(json.dumps({**ours, "private_key": json.loads(theirs.read_text())["private_key"]}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(forged))
    options = ClientOptions(api_endpoint=cloud_functions.endpoint)
    with (
        functions_v2.FunctionServiceClient(transport="rest", client_options=options) as thief,
        pytest.raises(exceptions.Unauthorized),
    ):
        thief.list_functions({"parent": parent})
    with pytest.raises(RefreshError):
        id_token.fetch_id_token(Request(), cloud_functions.endpoint)


def test_the_limits_of_the_platform_hold(client, parent):
    assert call(deploy(client, parent, seconds=1), sleep=2).status_code == 504
    function = deploy(client, parent, "large")
    assert call(function, bytes=33 * 1024 * 1024).status_code == 500
    assert call(function, filling="x" * 33 * 1024 * 1024).status_code == 413


def test_a_function_that_dies_is_told_of_and_works_again(client, parent):
    function = deploy(client, parent)
    before = call(function).json()["pid"]
    assert call(function, die=True).status_code == 503
    assert call(function).json()["pid"] != before


def test_a_source_that_does_not_start_fails_the_deployment_with_what_it_said(client, parent):
    with pytest.raises(exceptions.GoogleAPICallError, match="ModuleNotFoundError: No module named 'nowhere'"):
        deploy(client, parent, main="import nowhere\ndef main(request): return ''")
    with pytest.raises(exceptions.GoogleAPICallError, match=r"missing main\.py"):
        deploy(client, parent, name="g", other="")
