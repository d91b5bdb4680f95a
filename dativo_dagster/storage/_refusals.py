"""What an object store answers, as errors of ours. For `_bucket` and its streams."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from obstore import exceptions as errors

from dativo_dagster.storage.base import changed, not_found
from dativo_ingest.exceptions import AuthenticationError, ConfigurationError, DativoError
from dativo_ingest.exceptions import ConnectionError as StorageError


@contextlib.contextmanager
def refusals(path: str) -> Iterator[None]:
    """Turn what a store says into our errors."""
    try:
        yield
    except DativoError:
        raise
    except FileNotFoundError as error:
        raise _missing(path, str(error)) from error
    except errors.PreconditionError as error:
        raise changed(path) from error
    except errors.BaseError as error:
        raise _translated(path, error) from error


def _translated(path: str, error: errors.BaseError) -> DativoError:
    text = str(error)
    if "NO_CREDENTIALS" in text:  # ours, as obstore carries it out of `_stores`
        return no_credentials()
    if "NoSuchBucket" in text:
        return _missing(path, text)
    # Listing has no error class of its own for what is refused.
    refused = isinstance(error, (errors.PermissionDeniedError, errors.UnauthenticatedError))
    if refused or "403 Forbidden" in text or "401 Unauthorized" in text:
        return AuthenticationError(
            f"{path}: the store refused the credentials or the permission ({_short(text)})", "ACCESS_DENIED"
        )
    return StorageError(f"{path}: the store cannot be reached or failed ({_short(text)})", "STORAGE_UNREACHABLE")


def _missing(path: str, answer: str) -> ConfigurationError:
    if "NoSuchBucket" in answer:
        bucket = urlsplit(path).netloc
        return ConfigurationError(
            f"{path}: there is no bucket {bucket!r}; create it or correct its name", "BUCKET_NOT_FOUND"
        )
    return not_found(path)


def _short(text: str) -> str:
    """Keep the first line: below it are the layers of the client."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")[:300]


def no_credentials() -> AuthenticationError:
    """Make the error for an AWS chain that has nothing."""
    return AuthenticationError(
        "no AWS credentials: give access_key_id and secret_access_key in the connection, set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, use a profile or a role, or say `anonymous: true`",
        "NO_CREDENTIALS",
    )
