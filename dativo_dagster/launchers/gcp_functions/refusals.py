"""What Google says no with, while functions are deployed, found and removed, as our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dativo_ingest.exceptions import AuthenticationError, ConfigurationError, RateLimitError, TransientError
from dativo_ingest.exceptions import ConnectionError as UnreachableError

if TYPE_CHECKING:
    from dativo_ingest.exceptions import DativoError

APIS = "cloudfunctions run cloudbuild artifactregistry storage"
"""What a project needs: each is a service of googleapis.com."""
_DISABLED = "SERVICE_DISABLED"
_LAST_LINES = 20


@contextmanager
def refusals(what: str, seconds: float) -> Iterator[None]:
    """Raise for a block what Google or the way to it says, in our words.

    Args:
        what: What cannot be done.
        seconds: How long it may take.
    """
    from concurrent.futures import TimeoutError as WaitedTooLong

    import requests
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except (TransportError, requests.RequestException) as error:
        raise unreachable(what, str(error)) from error
    except GoogleAuthError as error:
        raise (unreachable if error.retryable else denied)(what, str(error)) from error
    except (TimeoutError, WaitedTooLong, api.DeadlineExceeded) as error:
        raise TransientError(f"{what}: it took longer than start_seconds = {seconds:g}", "FUNCTION_TIMEOUT") from error
    except api.GoogleAPICallError as error:
        raise _said(what, error) from error
    except api.RetryError as error:
        raise unreachable(what, str(error)) from error


def _said(what: str, error: Any) -> DativoError:
    from google.api_core import exceptions as api

    if error.reason == _DISABLED:
        enabled = " ".join(f"{name}.googleapis.com" for name in APIS.split())
        message = f"{what}: an API is not enabled in the project; have its owner do `gcloud services enable {enabled}`"
        return AuthenticationError(f"{message} ({error.message})", "FUNCTION_DENIED")
    if isinstance(error, (api.Forbidden, api.Unauthorized)):
        return denied(what, str(error))
    if isinstance(error, api.TooManyRequests):
        return RateLimitError(f"{what}: {error.message}", "FUNCTION_THROTTLED")
    if isinstance(error, (api.ServerError, api.Conflict)):  # a conflict: another host changes it at this moment
        return unreachable(what, str(error))
    return not_deployed(what, str(error.message))


def denied(what: str, why: str) -> AuthenticationError:
    """The host's account may not do it."""
    return AuthenticationError(
        f"{what}: Google refused ({why}); the deployer needs the roles of docs/places-gcp.md, and credentials that "
        "Google's application default ones find",
        "FUNCTION_DENIED",
    )


def unreachable(what: str, why: str) -> UnreachableError:
    """Google cannot do it now, or there is no way to it."""
    return UnreachableError(f"{what} now: {why}", "FUNCTION_UNREACHABLE")


def not_deployed(what: str, why: str) -> ConfigurationError:
    """Google could not build or start it: the end of what it said tells why."""
    said = "\n".join(why.splitlines()[-_LAST_LINES:])
    return ConfigurationError(f"{what}: {said}", "FUNCTION_NOT_DEPLOYED")
