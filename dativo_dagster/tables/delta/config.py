"""What a user says of a Delta table, and how deltalake reaches it."""

from __future__ import annotations

from typing import Any

from dativo_dagster.config.connection import gcs_settings, s3_settings
from dativo_dagster.config.location import FolderOptions


class Config(FolderOptions):
    """Options of a target that is a Delta table."""


def storage_options(place: str, connection: dict[str, Any]) -> dict[str, str]:
    """Give the settings of a connection by deltalake's names; what is left out is the vendor's ordinary chain."""
    if place.startswith("s3"):
        s3 = s3_settings(connection)
        found = {
            "AWS_ENDPOINT_URL": s3.endpoint,
            "AWS_ACCESS_KEY_ID": s3.access_key_id,
            "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
            "AWS_SESSION_TOKEN": s3.session_token,
            "AWS_REGION": s3.region,
            "AWS_ALLOW_HTTP": "true" if (s3.endpoint or "").startswith("http://") else None,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false" if s3.path_style else None,
            "AWS_SKIP_SIGNATURE": "true" if s3.anonymous else None,
            "AWS_CONDITIONAL_PUT": "etag",  # a version of the log is written once, also by two at the same time
        }
    elif place.startswith("gs"):
        found = {"GOOGLE_SERVICE_ACCOUNT": gcs_settings(connection).credentials_path}
    else:
        found = {}
    return {key: value for key, value in found.items() if value}
