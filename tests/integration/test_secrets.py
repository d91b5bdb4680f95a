"""The secret managers that are servers, each against one that speaks its API."""

from __future__ import annotations

import json

import pytest

from dativo_dagster.pipeline.secrets import SecretOptions
from dativo_dagster.secrets import aws, gcp, vault
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the kept public name
)
from tests.servers import google_secrets as google_server
from tests.servers import vault as vault_server

pytestmark = pytest.mark.integration
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def hashicorp(monkeypatch):
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_ROLE_ID", "VAULT_SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    with vault_server.serve() as server:
        yield server


def from_vault(server, **config):
    options = {"address": server.address, "token": vault_server.TOKEN, **config}
    return vault.Secrets(vault.Config(**options)).load("acme")


def test_vault_gives_the_keys_of_the_tenants_path(hashicorp):
    hashicorp.data["secret/acme"] = {"API_KEY": "x", "port": 5432}
    assert from_vault(hashicorp) == {"api_key": "x", "port": 5432}


def test_vault_merges_paths_of_both_versions_and_a_later_one_wins(hashicorp):
    hashicorp.data |= {"secret/acme/db": {"a": "1", "b": "1"}, "kv/shared": {"b": "2"}}
    paths = ["{tenant}/db", {"path": "shared", "mount_point": "kv", "kv_version": 1}]
    assert from_vault(hashicorp, paths=paths) == {"a": "1", "b": "2"}


def test_vault_takes_its_own_variables(hashicorp, monkeypatch):
    hashicorp.data["secret/acme"] = {"a": "1"}
    monkeypatch.setenv("VAULT_ADDR", hashicorp.address)
    monkeypatch.setenv("VAULT_TOKEN", vault_server.TOKEN)
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    assert vault.Secrets(vault.Config()).load("acme") == {"a": "1"}
    assert hashicorp.namespaces == ["team"]


def test_vault_lets_a_role_log_in(hashicorp):
    hashicorp.data["secret/acme"] = {"a": "1"}
    login = {"auth_method": "approle", "token": None, "role_id": vault_server.ROLE}
    assert from_vault(hashicorp, secret_id=vault_server.SECRET, **login) == {"a": "1"}
    with pytest.raises(AuthenticationError, match="log in"):
        from_vault(hashicorp, secret_id="wrong", **login)


def test_a_missing_path_in_vault_is_told_and_nothing_at_all_is_an_error(hashicorp, caplog):
    hashicorp.data |= {"secret/acme/a": {"a": "1"}, "secret/acme/deleted": None}
    paths = ["acme/a", "acme/deleted", "acme/none"]
    assert from_vault(hashicorp, paths=paths) == {"a": "1"}
    assert [r.getMessage() for r in caplog.records] == [
        "Vault has nothing at secret/acme/deleted",
        "Vault has nothing at secret/acme/none",
    ]
    with pytest.raises(ConfigurationError, match="no secret in Vault at acme/none") as error:
        from_vault(hashicorp, paths=["acme/none"])
    assert error.value.error_code == "SECRET_NOT_FOUND"


def test_vault_that_refuses_or_cannot_be_reached_is_told_apart(hashicorp):
    with pytest.raises(AuthenticationError) as error:
        from_vault(hashicorp, token="canary-7f3a")
    assert "canary" not in str(error.value)
    with pytest.raises(ConnectionError) as gone:
        from_vault(hashicorp, address=CLOSED)
    assert gone.value.retryable
    with pytest.raises(ConfigurationError, match="needs `token`"):
        from_vault(hashicorp, token=None)


@pytest.fixture(scope="module")
def moto():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def secrets_manager(moto, monkeypatch):
    import boto3

    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "eu-central-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    client = boto3.client("secretsmanager", endpoint_url=moto)
    yield client
    for secret in client.list_secrets()["SecretList"]:
        client.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


def from_aws(moto, **config):
    return aws.Secrets(aws.Config(endpoint_url=moto, **config)).load("acme")


def test_aws_gives_named_secrets_in_their_formats(moto, secrets_manager):
    secrets_manager.create_secret(Name="acme/Stripe_Key", SecretString="sk")
    secrets_manager.create_secret(Name="shared/pg", SecretString="PGHOST=db")
    secrets_manager.create_secret(Name="acme/blob", SecretBinary=b'{"a": 1}')
    secrets = ["Stripe_Key", {"name": "pg", "id": "shared/pg", "format": "env"}, "blob"]
    assert from_aws(moto, secrets=secrets) == {"stripe_key": "sk", "pg": {"PGHOST": "db"}, "blob": {"a": 1}}


def test_aws_gives_the_version_that_is_asked_for(moto, secrets_manager):
    first = secrets_manager.create_secret(Name="acme/key", SecretString="old")["VersionId"]
    secrets_manager.put_secret_value(SecretId="acme/key", SecretString="new")
    assert from_aws(moto, secrets=["key"]) == {"key": "new"}
    assert from_aws(moto, secrets=[{"name": "key", "version_id": first}]) == {"key": "old"}
    assert from_aws(moto, secrets=[{"name": "key", "version_stage": "AWSPREVIOUS"}]) == {"key": "old"}


def test_aws_gives_a_bundle_and_what_is_named_wins(moto, secrets_manager):
    secrets_manager.create_secret(Name="acme/all", SecretString=json.dumps({"A": "bundle", "b": "bundle"}))
    secrets_manager.create_secret(Name="acme/b", SecretString="own")
    found = from_aws(moto, bundle_secret_id_template="{tenant}/all", secrets=["b"])
    assert found == {"a": "bundle", "b": "own"}


def test_aws_says_what_is_missing(moto, secrets_manager):
    with pytest.raises(ConfigurationError, match="no secret acme/none in AWS") as error:
        from_aws(moto, secrets=["none"])
    assert error.value.error_code == "SECRET_NOT_FOUND"
    with pytest.raises(ConnectionError):
        from_aws(CLOSED, secrets=["x"], session_kwargs={"region_name": "eu-central-1"})
    with pytest.raises(ConfigurationError, match="AWS secret manager cannot start"):
        from_aws(moto, secrets=["x"], profile_name="nobody")


@pytest.fixture
def google(monkeypatch, tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "reader@acme.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.decode(),
        "token_uri": f"{CLOSED}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme")
    with google_server.serve() as server:
        yield server


def from_google(server, **config):
    config = gcp.Config(client_options={"api_endpoint": server.endpoint}, transport="rest", **config)
    return gcp.Secrets(config).load("acme")


def test_google_gives_named_secrets_their_versions_and_a_bundle(google):
    google.data |= {
        "projects/acme/secrets/acme-all/versions/latest": '{"A": "bundle", "key": "bundle"}',
        "projects/acme/secrets/acme-key/versions/latest": "sk",
        "projects/acme/secrets/pg/versions/3": "PGHOST=db",
    }
    secrets = ["key", {"name": "pg", "id": "pg", "version": "3", "format": "env"}]
    found = from_google(google, secrets=secrets, bundle_secret_id_template="{tenant}-all")
    assert found == {"a": "bundle", "key": "sk", "pg": {"PGHOST": "db"}}


def test_google_says_what_is_missing_or_refused(google):
    name = "projects/acme/secrets/acme-key/versions/latest"
    with pytest.raises(ConfigurationError, match=f"no secret {name} at Google"):
        from_google(google, secrets=["key"])
    google.forbidden.add(name)
    with pytest.raises(AuthenticationError, match="refused"):
        from_google(google, secrets=["key"])


def test_a_manager_is_chosen_by_any_of_its_names(hashicorp, monkeypatch, tmp_path):
    hashicorp.data["secret/acme"] = {"api_key": "x"}
    config = tmp_path / "vault.yaml"
    config.write_text("address: ${WHERE}\ntoken: ${TOKEN_OF_VAULT}\n")
    monkeypatch.setenv("WHERE", hashicorp.address)
    monkeypatch.setenv("TOKEN_OF_VAULT", vault_server.TOKEN)
    for name in ("vault", "hashicorp", "hashicorp_vault"):
        assert SecretOptions(manager=name, config=str(config)).load("acme") == {"api_key": "x"}
