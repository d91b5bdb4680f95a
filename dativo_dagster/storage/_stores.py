"""Connections of obstore, made from the settings of a job. For `_bucket`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from obstore.store import GCSStore, S3Store

from dativo_dagster.storage._refusals import no_credentials

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

    from dativo_dagster.config.connection import GcsSettings, S3Settings


def _client(endpoint: str | None) -> ClientConfig:
    return {
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=60),
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
        "user_agent": "dativo",
    }


_RETRY: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}


def s3_store(bucket: str, s3: S3Settings) -> S3Store:
    """Connect to S3; without keys boto3's ordinary chain finds them."""
    found: dict[str, Any] = {
        "endpoint": s3.endpoint,
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
        "session_token": s3.session_token,
        "region": s3.region,
        "virtual_hosted_style_request": not s3.path_style,
        "skip_signature": s3.anonymous or None,
    }
    chain = None if s3.access_key_id or s3.anonymous else _aws_chain
    config: Any = {k: v for k, v in found.items() if v is not None}
    return S3Store(
        bucket, config=config, client_options=_client(s3.endpoint), retry_config=_RETRY, credential_provider=chain
    )


def _aws_chain() -> Any:
    """Ask boto3's ordinary chain: environment, profile, container, instance role."""
    import boto3

    found = boto3.session.Session().get_credentials()
    if found is None:
        raise no_credentials()
    keys = found.get_frozen_credentials()
    return {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.token,
        "expires_at": datetime.now(timezone.utc) + timedelta(minutes=10),
    }


def gcs_store(bucket: str, gcs: GcsSettings) -> GCSStore:
    """Connect to Google Cloud Storage; without settings Google's ordinary chain finds the credentials."""
    config: Any = {}
    if gcs.anonymous:
        # Not `skip_signature`: object_store heeds it when it reads and asks for a token before it writes.
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        base = gcs.endpoint or "https://storage.googleapis.com"
        config["service_account_key"] = json.dumps({"gcs_base_url": base, "disable_oauth": True, **nobody})
    elif gcs.credentials_path:
        config["service_account"] = gcs.credentials_path
    if gcs.endpoint and not gcs.anonymous:
        config["base_url"] = gcs.endpoint
    return GCSStore(bucket, config=config, client_options=_client(gcs.endpoint), retry_config=_RETRY)
