"""The staging folder as a function sees it. obstore is imported here and nowhere else in the SDK, once it is used."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dativo_ingest.exceptions import AuthenticationError, ConfigurationError
from dativo_ingest.exceptions import ConnectionError as StorageError

_S3_OPTIONS = ("endpoint", "region", "access_key_id", "secret_access_key", "session_token")


class Folder:
    """One folder of a bucket; ``name`` is always what comes behind its URL.

    Args:
        url: ``s3://bucket/folder/``, ``gs://bucket/folder/``, or ``file:///folder/`` of a file system that the host and
            the function both mount.
        options: Of S3 ``endpoint``, ``region`` and keys; of Google ``endpoint``, ``credentials_path``, ``anonymous``.
            Without credentials in them those of the function's role are used.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url = url
        self._prefix = urlsplit(url).path.strip("/")
        self._store = _open(url, options)

    def put(self, name: str, data: bytes | Path) -> None:
        """Write an object, whole or not at all; a path is the file to take it from."""
        import obstore

        with _refusals(self.url):
            obstore.put(self._store, self._key(name), data)

    def get(self, name: str) -> Any | None:
        """Read an object into a buffer; None when there is none."""
        import obstore

        with _refusals(self.url):
            try:
                return obstore.get(self._store, self._key(name)).bytes()
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        """Say whether there is such an object."""
        import obstore

        with _refusals(self.url):
            try:
                obstore.head(self._store, self._key(name))
            except FileNotFoundError:
                return False
        return True

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those that are gone are fine."""
        import obstore

        with _refusals(self.url):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self._store, self._key(name))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"


def _open(url: str, options: Mapping[str, Any]) -> Any:
    scheme, bucket = urlsplit(url).scheme, urlsplit(url).netloc
    if scheme == "file":
        from obstore.store import LocalStore

        return LocalStore("/")
    if scheme not in {"s3", "gs"}:
        raise ConfigurationError(f"{url}: a staging folder is s3://, gs:// or file://", "UNKNOWN_STORAGE")
    return _s3(bucket, options) if scheme == "s3" else _gcs(bucket, options)


def _s3(bucket: str, options: Mapping[str, Any]) -> Any:
    config: Any = {name: options[name] for name in _S3_OPTIONS if options.get(name)}
    config["virtual_hosted_style_request"] = not options.get("path_style_access", "endpoint" in config)
    from obstore.store import S3Store

    return S3Store(bucket, config=config, client_options=_client(options))


def _gcs(bucket: str, options: Mapping[str, Any]) -> Any:
    config: Any = {}
    if options.get("anonymous"):
        base = options.get("endpoint", "https://storage.googleapis.com")
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        config["service_account_key"] = json.dumps({"gcs_base_url": base, "disable_oauth": True, **nobody})
    else:
        known = {"base_url": options.get("endpoint"), "service_account": options.get("credentials_path")}
        config = {name: value for name, value in known.items() if value}
    from obstore.store import GCSStore

    return GCSStore(bucket, config=config, client_options=_client(options))


def _client(options: Mapping[str, Any]) -> Any:
    plain = str(options.get("endpoint", "")).startswith("http://")
    return {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60), "allow_http": plain}


@contextlib.contextmanager
def _refusals(url: str) -> Iterator[None]:
    from obstore import exceptions as errors

    try:
        yield
    except (errors.PermissionDeniedError, errors.UnauthenticatedError) as error:
        message = f"{url}: the function's role may not use its staging folder; let it get, put and delete objects there"
        raise AuthenticationError(message, "ACCESS_DENIED", {"answer": str(error)[:300]}) from error
    except errors.BaseError as error:
        message = f"{url}: the staging folder cannot be reached from the function"
        raise StorageError(message, "STORAGE_UNREACHABLE", {"answer": str(error)[:300]}) from error
