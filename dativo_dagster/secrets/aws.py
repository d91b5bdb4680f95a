"""Secrets in AWS Secrets Manager: named one by one, or all in one bundle; what is named wins over the bundle.

    region_name: eu-central-1
    secrets: [stripe_key, {name: postgres, id: "shared/postgres", format: env}]

Credentials come from boto3's usual places: environment, profile, role.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dativo_dagster.secrets import Format, decode, expect_map, fill, missing
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the kept public name
    DativoError,
)

_REFUSED = ("AccessDenied", "UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken", "InvalidSignature")


class Secret(BaseModel):
    """One secret to read."""

    model_config = ConfigDict(extra="forbid")

    name: str
    id: str | None = Field(default=None, description="Name or ARN; made from `secret_id_template` when left out.")
    version_stage: str | None = None
    version_id: str | None = None
    format: Format = "auto"


class Config(BaseModel):
    """Where to look and what to read."""

    model_config = ConfigDict(extra="forbid")

    region_name: str | None = None
    secret_id_template: str = "{tenant}/{name}"  # noqa: S105 - a name, not a secret
    secrets: list[str | Secret] = Field(default_factory=list)
    bundle_secret_id_template: str | None = Field(default=None, description="One secret that holds many.")
    bundle_format: Format = "json"
    profile_name: str | None = None
    session_kwargs: dict[str, Any] = Field(default_factory=dict, description="Passed to boto3.Session as they are.")
    endpoint_url: str | None = Field(default=None, description="For a private endpoint.")

    @model_validator(mode="after")
    def _names_something(self) -> Config:
        if not self.secrets and not self.bundle_secret_id_template:
            raise ValueError("name what to read: `secrets` or `bundle_secret_id_template`")
        return self


class Secrets:
    """Reads AWS Secrets Manager."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name.

        Raises:
            AuthenticationError: AWS refused the credentials or the secret.
            ConnectionError: AWS cannot be reached.
            ConfigurationError: A secret does not exist or is malformed.
        """
        config, client = self.config, self._client()
        found: dict[str, Any] = {}
        if config.bundle_secret_id_template:
            where = fill(config.bundle_secret_id_template, tenant)
            found.update(expect_map(decode(_read(client, where), config.bundle_format, where=where), where))
        for secret in (Secret(name=s) if isinstance(s, str) else s for s in config.secrets):
            where = fill(secret.id or config.secret_id_template, tenant, secret.name)
            versions = {"VersionStage": secret.version_stage, "VersionId": secret.version_id}
            text = _read(client, where, **{k: v for k, v in versions.items() if v})
            found[secret.name] = decode(text, secret.format, where=where)
        return {name.lower(): value for name, value in found.items()}

    def _client(self) -> Any:
        import boto3
        from botocore.exceptions import BotoCoreError

        config = self.config
        try:
            session = boto3.Session(
                **{"region_name": config.region_name, "profile_name": config.profile_name, **config.session_kwargs}
            )
            return session.client("secretsmanager", endpoint_url=config.endpoint_url)
        except (BotoCoreError, TypeError) as error:
            message = f"the AWS secret manager cannot start: {error}"
            raise ConfigurationError(message, "SECRET_MANAGER_INVALID") from None


def _read(client: Any, where: str, **version: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client.get_secret_value(SecretId=where, **version)
    except ClientError as error:
        raise _failed(where, error.response.get("Error", {}).get("Code", "unknown error")) from None
    except BotoCoreError as error:
        raise ConnectionError(f"AWS Secrets Manager, {where}: {error}") from None
    return str(answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"].decode("utf-8"))


def _failed(where: str, code: str) -> DativoError:
    if code == "ResourceNotFoundException":
        return missing(f"{where} in AWS Secrets Manager", "check its name, the region and the version")
    if code.startswith(_REFUSED):
        return AuthenticationError(f"AWS Secrets Manager refused {where}: {code}; check the credentials and the policy")
    return ConnectionError(f"AWS Secrets Manager, {where}: {code}")
