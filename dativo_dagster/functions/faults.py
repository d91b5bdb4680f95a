"""What goes wrong between a host and a function, in the same words for every cloud."""

from __future__ import annotations

from typing import Any

from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    SandboxError,
    TransientError,
)
from dativo_ingest.exceptions import ConnectionError as UnreachableError


def timed_out(function: str, seconds: float, **details: Any) -> TransientError:
    """The invocation took longer than it may."""
    message = (
        f"function {function} was ended after {seconds:g} seconds; cut the stream into smaller units, or raise "
        "timeout_seconds where the cloud allows more"
    )
    return TransientError(message, "FUNCTION_TIMEOUT", {"function": function, **details})


def throttled(function: str, retry_after: float | None = None, **details: Any) -> RateLimitError:
    """The cloud runs as many invocations as it may."""
    message = f"function {function} was not started: the cloud has no room for another invocation; run fewer at once"
    return RateLimitError(message, "FUNCTION_THROTTLED", {"function": function, **details}, retry_after)


def denied(function: str, why: str, **details: Any) -> AuthenticationError:
    """The host may not invoke it."""
    message = f"function {function} may not be invoked by this host ({why}); grant it, or correct the credentials"
    return AuthenticationError(message, "FUNCTION_DENIED", {"function": function, **details})


def crashed(function: str, why: str, *, retryable: bool = True, **details: Any) -> SandboxError:
    """The instance died, or answered what is no reply."""
    message = f"function {function} ended without a reply ({why}); its log in the cloud tells more"
    return SandboxError(message, "FUNCTION_CRASHED", {"function": function, **details}, retryable=retryable)


def refused(function: str, why: str, **details: Any) -> SandboxError:
    """The cloud did not start it, for another reason than those that have an error of their own."""
    message = f"function {function} was not started ({why})"
    return SandboxError(message, "FUNCTION_REFUSED", {"function": function, **details})


def out_of_memory(function: str, memory_mb: int, **details: Any) -> SandboxError:
    """It would need as much the next time."""
    message = f"function {function} used more than memory_mb = {memory_mb}; raise it, or make smaller batches"
    return SandboxError(message, "PLUGIN_OUT_OF_MEMORY", {"function": function, **details}, retryable=False)


def beyond(function: str, what: str, size: int, most: int) -> ConfigurationError:
    """Something is larger than the cloud takes; told before the call."""
    message = f"function {function}: {what} is {size:,}, and the cloud takes {most:,} at most"
    return ConfigurationError(message, "FUNCTION_LIMIT", {"function": function})


def unreachable(function: str, why: str, **details: Any) -> UnreachableError:
    """The cloud did not answer."""
    message = f"function {function} cannot be reached ({why}); check the network and the endpoint"
    return UnreachableError(message, "FUNCTION_UNREACHABLE", {"function": function, **details})
