"""Secrets in Google Secret Manager: named one by one, or all in one bundle; what is named wins over the bundle.

    project_id: acme-prod
    secrets: [stripe-key, {name: postgres, version: "3", format: env}]

Credentials are Google's application default ones.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dativo_dagster.secrets import Format, decode, expect_map, fill, missing
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the kept public name
)


class Secret(BaseModel):
    """One secret to read."""

    model_config = ConfigDict(extra="forbid")

    name: str
    id: str | None = Field(default=None, description="Made from `secret_id_template` when left out.")
    version: str | None = None
    format: Format = "auto"


class Config(BaseModel):
    """Where to look and what to read."""

    model_config = ConfigDict(extra="forbid")

    project_id: str | None = Field(default=None, description="GOOGLE_CLOUD_PROJECT when left out.")
    secret_id_template: str = "{tenant}-{name}"  # noqa: S105 - a name, not a secret
    secrets: list[str | Secret] = Field(default_factory=list)
    bundle_secret_id_template: str | None = Field(default=None, description="One secret that holds many.")
    bundle_format: Format = "json"
    version: str = "latest"
    client_options: dict[str, Any] = Field(default_factory=dict, description="Of the Google client: api_endpoint, ...")
    transport: Literal["grpc", "rest"] = "grpc"

    @model_validator(mode="after")
    def _names_something(self) -> Config:
        if not self.secrets and not self.bundle_secret_id_template:
            raise ValueError("name what to read: `secrets` or `bundle_secret_id_template`")
        return self


class Secrets:
    """Reads Google Secret Manager."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name.

        Raises:
            AuthenticationError: Google refused the credentials or the secret.
            ConnectionError: Google cannot be reached.
            ConfigurationError: There is no project, or a secret does not exist or is malformed.
        """
        config, project, client = self.config, self._project(), self._client()
        found: dict[str, Any] = {}
        if config.bundle_secret_id_template:
            where = f"{project}/secrets/{fill(config.bundle_secret_id_template, tenant)}/versions/{config.version}"
            found.update(expect_map(decode(_read(client, where), config.bundle_format, where=where), where))
        for secret in (Secret(name=s) if isinstance(s, str) else s for s in config.secrets):
            name = fill(secret.id or config.secret_id_template, tenant, secret.name)
            where = f"{project}/secrets/{name}/versions/{secret.version or config.version}"
            found[secret.name] = decode(_read(client, where), secret.format, where=where)
        return {name.lower(): value for name, value in found.items()}

    def _project(self) -> str:
        project = self.config.project_id or os.environ.get("GOOGLE_CLOUD_PROJECT")
        if not project:
            raise ConfigurationError(
                "the GCP secret manager needs `project_id`: set it in --secret-manager-config, or the variable "
                "GOOGLE_CLOUD_PROJECT",
                "SECRET_MANAGER_INVALID",
            )
        return f"projects/{project}"

    def _client(self) -> Any:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.secretmanager import SecretManagerServiceClient

        try:
            return SecretManagerServiceClient(
                client_options=self.config.client_options or None, transport=self.config.transport
            )
        except GoogleAuthError as error:
            raise AuthenticationError(f"Google Secret Manager: {error}") from None


def _read(client: Any, where: str) -> str:
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    try:
        return str(client.access_secret_version(name=where).payload.data.decode("utf-8"))
    except exceptions.NotFound:
        raise missing(f"{where} at Google", "check its name, the project and the version") from None
    except (exceptions.Forbidden, exceptions.Unauthorized, GoogleAuthError) as error:
        raise AuthenticationError(
            f"Google Secret Manager refused {where}: {type(error).__name__}; check the account and its role "
            "Secret Manager Secret Accessor"
        ) from None
    except exceptions.GoogleAPIError as error:
        raise ConnectionError(f"Google Secret Manager, {where}: {type(error).__name__}") from None
