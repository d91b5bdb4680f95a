"""Secrets in HashiCorp Vault, KV version 1 or 2: the keys of every path, merged; a later path wins.

    address: https://vault.example.com        auth_method: approle
    paths: ["{tenant}/database", {path: shared, mount_point: kv, kv_version: 1}]

What is not in the configuration comes from Vault's own variables: ``VAULT_ADDR``, ``VAULT_TOKEN``, ``VAULT_NAMESPACE``,
``VAULT_ROLE_ID``, ``VAULT_SECRET_ID``.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dativo_dagster.secrets import fill, missing
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the kept public name
    DativoError,
)

logger = logging.getLogger(__name__)


class Location(BaseModel):
    """One path, with what differs from the other paths."""

    model_config = ConfigDict(extra="forbid")

    path: str
    mount_point: str | None = None
    kv_version: Literal[1, 2] | None = None


class Config(BaseModel):
    """Where Vault is, how to log in, what to read."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(default=None, description="URL of the server; VAULT_ADDR when left out.")
    mount_point: str = Field(default="secret", description="Where the KV engine is mounted.")
    path_template: str = Field(default="{tenant}", description="What to read when there are no `paths`.")
    kv_version: Literal[1, 2] = 2
    namespace: str | None = Field(
        default=None, description="Vault Enterprise namespace; VAULT_NAMESPACE when left out."
    )
    auth_method: Literal["token", "approle"] = "token"
    token: str | None = Field(default=None, description="VAULT_TOKEN when left out.")
    role_id: str | None = Field(default=None, description="VAULT_ROLE_ID when left out.")
    secret_id: str | None = Field(default=None, description="VAULT_SECRET_ID when left out.")
    verify: bool | str = Field(default=True, description="Check the certificate; or the path of a CA file.")
    timeout: float = Field(default=30, gt=0, description="Seconds for one request.")
    paths: list[str | Location] = Field(default_factory=list, description="What to read; {tenant} is filled in.")


class Secrets:
    """Reads a Vault server over HTTP."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self, tenant: str) -> dict[str, Any]:
        """Give all secrets of a tenant, by lower-case name.

        Raises:
            AuthenticationError: Vault refused the login or the path.
            ConnectionError: Vault cannot be reached.
            ConfigurationError: The configuration is incomplete, or not one of the paths exists.
        """
        wanted = self._locations(tenant)
        client = self._client()
        found = [(where, self._read(client, where)) for where in wanted]
        for where, data in found:
            if data is None:
                logger.warning("Vault has nothing at %s/%s", where.mount_point or self.config.mount_point, where.path)
        if all(data is None for _, data in found):
            names = ", ".join(where.path for where in wanted)
            raise missing(f"in Vault at {names}", "check `paths`, `path_template`, `mount_point` and `kv_version`")
        return {name.lower(): value for _, data in found for name, value in (data or {}).items()}

    def _locations(self, tenant: str) -> list[Location]:
        paths = self.config.paths or [self.config.path_template]
        whole = [Location(path=p) if isinstance(p, str) else p for p in paths]
        return [p.model_copy(update={"path": fill(p.path, tenant)}) for p in whole]

    def _client(self) -> Any:
        import hvac

        config = self.config
        address = _given(config.address, "VAULT_ADDR", "address")
        token = _given(config.token, "VAULT_TOKEN", "token") if config.auth_method == "token" else None
        client = hvac.Client(
            url=address,
            token=token,
            namespace=config.namespace or os.environ.get("VAULT_NAMESPACE"),
            verify=config.verify,
            timeout=config.timeout,
        )
        if config.auth_method == "approle":
            role = _given(config.role_id, "VAULT_ROLE_ID", "role_id")
            secret = _given(config.secret_id, "VAULT_SECRET_ID", "secret_id")
            self._ask("log in", client.auth.approle.login, role_id=role, secret_id=secret)
        return client

    def _read(self, client: Any, where: Location) -> dict[str, Any] | None:
        import hvac

        mount = where.mount_point or self.config.mount_point
        try:
            if (where.kv_version or self.config.kv_version) == 1:
                answer = self._ask(where.path, client.secrets.kv.v1.read_secret, path=where.path, mount_point=mount)
                return dict(answer["data"])
            read = client.secrets.kv.v2.read_secret_version
            answer = self._ask(where.path, read, path=where.path, mount_point=mount, raise_on_deleted_version=True)
            return dict(answer["data"]["data"])
        except hvac.exceptions.InvalidPath:
            return None

    def _ask(self, what: str, call: Any, **arguments: Any) -> Any:
        import hvac
        import requests

        try:
            return call(**arguments)
        except hvac.exceptions.InvalidPath:
            raise
        except (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized) as error:
            raise _failed(AuthenticationError, what, error) from None
        except hvac.exceptions.InvalidRequest as error:
            # Vault answers 400 to a login with a wrong role or secret id.
            raise _failed(AuthenticationError if what == "log in" else ConfigurationError, what, error) from None
        except (hvac.exceptions.VaultError, requests.exceptions.RequestException) as error:
            raise _failed(ConnectionError, what, error) from None


def _failed(kind: type[DativoError], what: str, error: Exception) -> DativoError:
    return kind(f"Vault, {what}: {type(error).__name__}; check `address`, the login and the policy of its token")


def _given(value: str | None, variable: str, key: str) -> str:
    value = value or os.environ.get(variable)
    if not value:
        raise ConfigurationError(
            f"the Vault secret manager needs `{key}`: set it in --secret-manager-config, or the variable {variable}",
            "SECRET_MANAGER_INVALID",
        )
    return value
