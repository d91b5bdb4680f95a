"""The `connection` mapping of a source or a target, as settings of one object store.

Accepts the nested form (``{s3: {endpoint: …}}``, also ``minio`` and ``gcs``) and the flat one. What is left out is
left to the vendor's ordinary chain (environment, profile, instance role): no default is a credential.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dativo_ingest.exceptions import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """How to reach an S3 or S3-compatible store."""

    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    region: str | None = None
    path_style: bool = False
    anonymous: bool = False
    bucket: str | None = None

    def __repr__(self) -> str:
        """Name the endpoint only: a repr ends up in logs."""
        return f"S3Settings(endpoint={self.endpoint!r})"


@dataclass(frozen=True, kw_only=True)
class GcsSettings:
    """How to reach Google Cloud Storage or its emulator."""

    endpoint: str | None = None
    credentials_path: str | None = None
    project_id: str | None = None
    anonymous: bool = False
    bucket: str | None = None


def s3_settings(options: Mapping[str, Any]) -> S3Settings:
    """Read the settings of S3 out of a connection.

    Raises:
        ConfigurationError: Only one half of the key pair is there.
    """
    flat = _flat(options, "s3", "minio")
    endpoint = _text(flat, "endpoint", "endpoint_url") or os.environ.get("AWS_ENDPOINT_URL_S3")
    endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "://" not in endpoint:
        endpoint = f"{'http' if flat.get('secure') is False else 'https'}://{endpoint}"
    key, secret = _text(flat, "access_key_id", "access_key"), _text(flat, "secret_access_key", "secret_key")
    if bool(key) != bool(secret):
        missing = "secret_access_key" if key else "access_key_id"
        raise ConfigurationError(
            f"connection: {missing} is missing; give both keys, or neither to use the ordinary AWS chain",
            "INCOMPLETE_CREDENTIALS",
        )
    return S3Settings(
        endpoint=endpoint.rstrip("/") if endpoint else None,
        access_key_id=key,
        secret_access_key=secret,
        session_token=_text(flat, "session_token"),
        region=_text(flat, "region")
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or ("us-east-1" if endpoint else None),
        path_style=_flag(flat, "path_style_access", default=endpoint is not None),
        anonymous=_flag(flat, "anonymous", default=False),
        bucket=_text(flat, "bucket"),
    )


def gcs_settings(options: Mapping[str, Any]) -> GcsSettings:
    """Read the settings of Google Cloud Storage out of a connection; ``STORAGE_EMULATOR_HOST`` is its emulator."""
    flat = _flat(options, "gcs")
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    endpoint = _text(flat, "endpoint", "endpoint_url") or emulator
    if endpoint and "://" not in endpoint:
        endpoint = f"http://{endpoint}"
    credentials = _text(flat, "credentials_path", "service_account")
    return GcsSettings(
        endpoint=endpoint.rstrip("/") if endpoint else None,
        credentials_path=credentials,
        project_id=_text(flat, "project_id", "project"),
        anonymous=_flag(flat, "anonymous", default=bool(emulator) and credentials is None),
        bucket=_text(flat, "bucket"),
    )


def pyiceberg_properties(options: Mapping[str, Any]) -> dict[str, str]:
    """Give the FileIO properties with which pyiceberg reaches what the connection describes."""
    if "gcs" in options:
        return _gcs_properties(gcs_settings(options))
    s3 = s3_settings(options)
    found = {
        "s3.endpoint": s3.endpoint,
        "s3.access-key-id": s3.access_key_id,
        "s3.secret-access-key": s3.secret_access_key,
        "s3.session-token": s3.session_token,
        "s3.region": s3.region,
        "s3.force-virtual-addressing": None if s3.path_style else "true",
        "s3.anonymous": "true" if s3.anonymous else None,
        "s3.connect-timeout": "5.0",
    }
    return {k: v for k, v in found.items() if v}


def _gcs_properties(gcs: GcsSettings) -> dict[str, str]:
    found = {"gcs.service.host": gcs.endpoint, "gcs.project-id": gcs.project_id}
    if gcs.anonymous:
        # pyiceberg knows no anonymous access; an emulator takes any token. The time is 2100-01-01 in milliseconds.
        found |= {"gcs.oauth2.token": "anonymous", "gcs.oauth2.token-expires-at": "4102444800000"}
    return {k: v for k, v in found.items() if v}


def _flat(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    merged = {k: v for k, v in options.items() if not isinstance(v, Mapping)}
    for name in names:
        nested = options.get(name)
        if isinstance(nested, Mapping):
            merged |= nested
    return merged


def _text(flat: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        if flat.get(name):
            return str(flat[name])
    return None


def _flag(flat: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = flat.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"connection: {name} is true or false, not {value!r}")
