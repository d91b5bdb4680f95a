"""What AWS answers to those who deploy, in our errors."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from dativo_ingest.exceptions import AuthenticationError, ConfigurationError, RateLimitError
from dativo_ingest.exceptions import ConnectionError as UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACTION = re.compile(r"not authorized to perform: ([\w:*]+)")
THROTTLED = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "EC2ThrottledException"})
_TROUBLE = 500
_BUSY = frozenset({"OperationAborted", "ConcurrentModification", "ConcurrentModificationException"})
"""Another host makes the same at this moment."""
DENIED = frozenset(
    {
        "403",  # HEAD of a bucket has no room for more
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "KMSAccessDeniedException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Each service has its own words for credentials that may not, are wrong, or were good until a moment ago."""


@contextlib.contextmanager
def refusals(what: str) -> Iterator[None]:
    """Tell the refusals of a block.

    Args:
        what: What is made or looked up there, with its name: ``function dativo-a-b``.

    Raises:
        AuthenticationError: ``FUNCTION_DENIED``: these credentials may not, or there are none.
        ConfigurationError: ``FUNCTION_REFUSED``: AWS does not take the settings.
        RateLimitError: ``FUNCTION_THROTTLED``: too many calls, after boto3 asked again several times.
        ConnectionError: ``FUNCTION_UNREACHABLE``: AWS does not answer, or has trouble of its own.
    """
    from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in DENIED:
            raise _denied(what, f"{code}: {said}", code) from error
        if code in THROTTLED:
            message = f"AWS takes no more calls for {what} now ({code}: {said}); run fewer at once"
            raise RateLimitError(message, "FUNCTION_THROTTLED", {"what": what, "code": code}) from error
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        if status >= _TROUBLE or code in _BUSY:
            raise _unreachable(what, f"{code}: {said}") from error
        raise ConfigurationError(
            f"AWS does not take {what} ({code}: {said}); correct the settings of its place",
            "FUNCTION_REFUSED",
            {"what": what, "code": code},
        ) from error
    except (NoCredentialsError, CredentialRetrievalError) as error:
        message = f"no credentials of AWS are found ({error}); give the host a role, a profile or a key"
        raise AuthenticationError(message, "FUNCTION_DENIED", {"what": what, "code": type(error).__name__}) from error
    except BotoCoreError as error:
        raise _unreachable(what, str(error)) from error


def action(said: str) -> dict[str, str]:
    """Give the action that a refusal of AWS names, for the details of an error."""
    found = _ACTION.search(said)
    return {"action": found[1]} if found else {}


def _unreachable(what: str, why: str) -> UnreachableError:
    message = f"AWS does not answer for {what} ({why}); check the network and the endpoint"
    return UnreachableError(message, "FUNCTION_UNREACHABLE", {"what": what})


def _denied(what: str, said: str, code: str) -> AuthenticationError:
    return AuthenticationError(
        f"these credentials are refused {what} ({said}); docs/places-aws.md has the policy that they need",
        "FUNCTION_DENIED",
        {"what": what, "code": code, **action(said)},
    )
