"""The store that a URI lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.storage.base import Storage


def open_storage(uri: str, options: Mapping[str, Any] | None = None) -> Storage:
    """Open the store that ``uri`` lies in; ``options`` is the `connection` of the source or target.

    Raises:
        ConfigurationError: The scheme is unknown, there is no bucket, or the options contradict themselves.
    """
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme in {"", "file"}:
        from dativo_dagster.storage._disk import Disk

        return Disk()
    if scheme not in {"s3", "s3a", "gs", "gcs"}:
        raise ConfigurationError(
            f"{uri}: storage {scheme!r} is unknown; use a local path, s3:// or gs://", "UNKNOWN_STORAGE"
        )
    if not urlsplit(uri).netloc:
        raise ConfigurationError(f"{uri}: the bucket is missing", "UNKNOWN_STORAGE")
    from dativo_dagster.storage._bucket import open_bucket

    return open_bucket(uri, options or {})
