"""How to reach an object store, as options of the Rust crate object_store: native plugins open stores themselves.

The keys are those of `AmazonS3ConfigKey` and `GoogleConfigKey`, without their prefixes ``aws_`` and ``google_``:
https://docs.rs/object_store
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dativo_dagster.config.connection import gcs_settings, s3_settings


def portable(options: Mapping[str, Any], *, ambient: bool = True) -> dict[str, dict[str, str]]:
    """Give the options by scheme, ``s3`` and ``gs``, for each store that a source's or target's ``options`` mention.

    Without keys in the options those of boto3's ordinary chain are given, as they are now: a native plugin that runs
    for longer than temporary keys hold should be given keys of its own. ``ambient`` False keeps those here: a plugin
    elsewhere has the keys that the job says, or those of its place.
    """
    connection = options.get("connection") or {}
    text = json.dumps(options, default=str)
    found = {}
    if "s3://" in text or "s3a://" in text or {"s3", "minio", "bucket"} & connection.keys():
        found["s3"] = _s3(connection, ambient=ambient)
    if "gs://" in text or "gcs" in connection:
        found["gs"] = _gs(connection)
    return found


def _s3(connection: Mapping[str, Any], *, ambient: bool) -> dict[str, str]:
    s3 = s3_settings(connection)
    keys = {"access_key_id": s3.access_key_id, "secret_access_key": s3.secret_access_key, "token": s3.session_token}
    if not s3.access_key_id and not s3.anonymous:
        keys = _chain() if ambient else {}
    settings = {
        **keys,
        "endpoint": s3.endpoint,
        "region": s3.region,
        "virtual_hosted_style_request": None if s3.path_style else "true",
        "skip_signature": "true" if s3.anonymous else None,
        "allow_http": "true" if s3.endpoint and s3.endpoint.startswith("http://") else None,
    }
    return {key: value for key, value in settings.items() if value is not None}


def _chain() -> dict[str, str | None]:
    """Ask boto3's ordinary chain: environment, profile, container, instance role; nothing when it has nothing."""
    import boto3

    found = boto3.session.Session().get_credentials()
    if found is None:
        return {}
    keys = found.get_frozen_credentials()
    return {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, "token": keys.token}


def _gs(connection: Mapping[str, Any]) -> dict[str, str]:
    gcs = gcs_settings(connection)
    if gcs.anonymous:
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        base = gcs.endpoint or "https://storage.googleapis.com"
        account = json.dumps({"gcs_base_url": base, "disable_oauth": True, **nobody})
        return {"service_account_key": account, "allow_http": str(base.startswith("http://")).lower()}
    settings = {"service_account": gcs.credentials_path, "base_url": gcs.endpoint}
    return {key: value for key, value in settings.items() if value is not None}
