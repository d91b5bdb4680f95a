"""The staging bucket as it is asked for, and what a project or a stranger may answer."""

from __future__ import annotations

import contextlib
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from dativo_dagster.launchers.gcp_functions.bucket import Bucket
from dativo_ingest.exceptions import AuthenticationError, ConfigurationError
from dativo_ingest.exceptions import ConnectionError as UnreachableError

pytestmark = pytest.mark.integration

NAME = "dativo-staging-acme-europe-west1"


@contextlib.contextmanager
def answering(*answers, **reach):
    """Answer calls of the JSON API in turn; gives the bucket and what was asked."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, json.loads(body or b"null"), self.headers.get("Authorization")))
            status, said = left.pop(0)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        reach = {"endpoint": f"http://127.0.0.1:{server.server_port}", **(reach or {"anonymous": True})}
        try:
            yield Bucket("acme", "europe-west1", reach), asked
        finally:
            server.shutdown()
            thread.join()


def test_it_is_made_in_the_region_private_and_with_an_end_for_its_objects():
    with answering((200, {}), (200, {})) as (bucket, asked):
        bucket.make()
    (_, listed, _, _), (method, path, body, _) = asked
    assert listed == f"/storage/v1/b?project=acme&prefix={NAME}"
    assert (method, path) == ("POST", "/storage/v1/b?project=acme")
    assert (body["name"], body["location"]) == (NAME, "europe-west1")
    assert body["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert body["iamConfiguration"]["uniformBucketLevelAccess"] == {"enabled": True}
    rules = body["lifecycle"]["rule"]
    assert [rule["action"]["type"] for rule in rules] == ["Delete", "AbortIncompleteMultipartUpload"]
    assert all(rule["condition"] == {"age": 1} for rule in rules)


def test_one_that_the_project_has_is_left_as_it_is():
    with answering((200, {"items": [{"name": NAME}]})) as (bucket, asked):
        bucket.make()
    assert len(asked) == 1


@pytest.mark.xdist_group("cloud_functions")
@pytest.mark.parametrize("said", [False, True], ids=["of the process", "of the key file that is named"])
def test_it_is_asked_for_with_the_credentials(google, monkeypatch, said):
    file = google.account("stager")
    if said:
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    else:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with answering((200, {}), (200, {}), credentials_path=str(file) if said else None) as (bucket, asked):
        bucket.make()
    emails = {google.accounts.invoker(authorization, "access") for *_, authorization in asked}
    assert emails == {f"stager@{google.project}.iam.gserviceaccount.com"}


def test_a_key_file_that_is_none_is_told(tmp_path):
    (tmp_path / "empty.json").write_text("{}")
    for path in (tmp_path / "empty.json", tmp_path / "missing.json"):
        with pytest.raises(AuthenticationError, match="cannot be found or made"):
            Bucket("acme", "europe-west1", {"credentials_path": str(path)}).make()


def test_one_that_another_host_made_meanwhile_is_taken():
    with answering((200, {}), (409, {}), (200, {"items": [{"name": NAME}]})) as (bucket, _):
        bucket.make()


def test_one_of_a_stranger_is_never_used():
    stranger = (200, {"items": [{"name": f"{NAME}-other"}]})
    with (
        answering(stranger, (409, {}), stranger) as (bucket, _),
        pytest.raises(ConfigurationError, match=f"{NAME} cannot be made: another project has a bucket") as raised,
    ):
        bucket.make()
    assert raised.value.error_code == "BAD_PLACE"


def test_an_account_that_may_not_make_it_is_told_what_to_do():
    with (
        answering((200, {}), (403, {"error": {"message": "no storage.buckets.create"}})) as (bucket, _),
        pytest.raises(AuthenticationError, match=r"no storage\.buckets\.create.*`staging`.*places-gcp"),
    ):
        bucket.make()


def test_a_google_that_is_overloaded_is_tried_again():
    with answering((503, {})) as (bucket, _), pytest.raises(UnreachableError, match="503") as raised:
        bucket.make()
    assert raised.value.retryable


def test_a_google_that_is_away_is_tried_again():
    bucket = Bucket("acme", "europe-west1", {"endpoint": "http://127.0.0.1:1", "anonymous": True})
    with pytest.raises(UnreachableError) as raised:
        bucket.make()
    assert raised.value.retryable
