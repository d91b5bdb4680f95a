"""A connection in any of its forms gives the same settings, and no setting is a made-up credential."""

import pytest

from dativo_dagster.config.connection import gcs_settings, pyiceberg_properties, s3_settings
from dativo_ingest.exceptions import ConfigurationError

KEYS = {"access_key_id": "key", "secret_access_key": "secret"}
AWS = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in AWS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "options",
    [
        {"s3": {"endpoint": "http://host:1/", **KEYS}},
        {"minio": {"endpoint": "host:1", "secure": False, **KEYS}},
        {"endpoint": "http://host:1", **KEYS},
        {"endpoint_url": "http://host:1", "access_key": "key", "secret_key": "secret"},
    ],
)
def test_every_form_of_s3_means_the_same(options):
    found = s3_settings(options)
    assert (found.endpoint, found.access_key_id, found.secret_access_key) == ("http://host:1", "key", "secret")
    assert found.path_style
    assert found.region == "us-east-1"


def test_without_settings_nothing_is_made_up():
    found = s3_settings({})
    assert (found.endpoint, found.access_key_id, found.secret_access_key, found.region) == (None, None, None, None)
    assert not found.path_style
    assert not found.anonymous


def test_a_region_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert s3_settings({}).region == "eu-west-1"
    assert s3_settings({"region": "eu-north-1"}).region == "eu-north-1"


@pytest.mark.parametrize("missing", KEYS)
def test_half_a_key_pair_is_refused(missing):
    with pytest.raises(ConfigurationError, match=missing) as caught:
        s3_settings({k: v for k, v in KEYS.items() if k != missing})
    assert caught.value.error_code == "INCOMPLETE_CREDENTIALS"


def test_a_switch_is_true_or_false():
    assert not s3_settings({"endpoint": "http://h", "path_style_access": "false"}).path_style
    with pytest.raises(ConfigurationError, match="path_style_access"):
        s3_settings({"path_style_access": "perhaps"})


def test_a_settings_repr_has_no_secret():
    assert "secret" not in repr(s3_settings({"endpoint": "http://h", **KEYS, "session_token": "secret"}))


def test_an_emulator_of_google_is_used_without_credentials(monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:9")
    found = gcs_settings({})
    assert (found.endpoint, found.anonymous) == ("http://localhost:9", True)
    assert not gcs_settings({"gcs": {"credentials_path": "/key.json"}}).anonymous


def test_pyiceberg_gets_only_what_was_said():
    assert pyiceberg_properties({"s3": {"endpoint": "http://h", **KEYS}}) == {
        "s3.endpoint": "http://h",
        "s3.access-key-id": "key",
        "s3.secret-access-key": "secret",
        "s3.region": "us-east-1",
        "s3.connect-timeout": "5.0",
    }
    found = pyiceberg_properties({"gcs": {"endpoint": "http://h", "anonymous": True, "project_id": "p"}})
    assert (found["gcs.service.host"], found["gcs.project-id"]) == ("http://h", "p")
