"""Every error that dativo raises on purpose, and nothing else.

The tree::

    DativoError
    ├── ConnectionError            the system cannot be reached              retryable
    │   └── AuthenticationError    it was reached and said no
    ├── ConfigurationError         a job, recipe or contract is wrong
    ├── ValidationError            the data broke its contract
    ├── CommitError                the target did not take the commit
    ├── TransientError             try again                                 retryable
    │   └── RateLimitError         try again, after ``retry_after`` seconds  retryable
    └── PluginError                a plugin misbehaved
        ├── PluginVersionError     it was made for another SDK
        └── SandboxError           its sandbox failed                        retryable

An error carries what people and machines need at 3 a.m.: a message that says what was wrong, where and what to
do; a stable ``error_code`` (all of them are in `dativo_ingest.codes`); ``details`` for machines; and ``retryable``,
which drives the retries of a run. Messages never hold a secret or a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DativoError(Exception):
    """Root of the tree.

    Args:
        message: What was wrong, where, and what to do.
        error_code: Stable upper snake case code; the class name in upper case when left out.
        details: Facts for machines; JSON-serialisable, no secrets.
        retryable: Whether the same call may succeed later without anybody changing anything.
    """

    default_code: str | None = None
    default_retryable = False

    def __init__(
        self,
        message: str,
        error_code: str | None = None,
        details: Mapping[str, Any] | None = None,
        retryable: bool | None = None,  # noqa: FBT001 - positional in the kept public signature
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code or self.default_code or type(self).__name__.upper()
        self.details: dict[str, Any] = dict(details or {})
        self.retryable = self.default_retryable if retryable is None else retryable

    def __str__(self) -> str:
        """Give the kept form, ``Class(CODE): message``."""
        return f"{type(self).__name__}({self.error_code}): {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes, so that an error crosses a process border whole."""
        return (_rebuild, (type(self), dict(self.__dict__)))

    def to_dict(self) -> dict[str, Any]:
        """Give the error as JSON-serialisable data."""
        return {
            "error_type": type(self).__name__,
            "error_code": self.error_code,
            "message": self.message,
            "details": self.details,
            "retryable": self.retryable,
        }


class ConnectionError(DativoError):  # noqa: A001 - the kept public name
    """The source or the target cannot be reached."""

    default_code = "CONNECTION_FAILED"
    default_retryable = True


class AuthenticationError(ConnectionError):
    """The other side was reached and refused the credentials or the permission."""

    default_code = "AUTHENTICATION_FAILED"
    default_retryable = False


class ConfigurationError(DativoError):
    """A job, recipe, contract or setting is wrong; a person has to change it."""

    default_code = "CONFIGURATION_ERROR"


class ValidationError(DativoError):
    """The data broke its contract."""

    default_code = "VALIDATION_FAILED"


class CommitError(DativoError):
    """The target did not take the commit; nothing of it is visible."""

    default_code = "COMMIT_FAILED"


class TransientError(DativoError):
    """Something passing; the same call may succeed after ``retry_after`` seconds."""

    default_code = "TRANSIENT_ERROR"
    default_retryable = True

    def __init__(
        self,
        message: str,
        error_code: str | None = None,
        details: Mapping[str, Any] | None = None,
        retryable: bool | None = None,  # noqa: FBT001 - positional in the kept public signature
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, error_code, details, retryable)
        self.retry_after = retry_after
        if retry_after is not None:
            self.details["retry_after"] = retry_after

    def to_dict(self) -> dict[str, Any]:
        """Give the error as JSON-serialisable data, with ``retry_after`` in seconds."""
        return {**super().to_dict(), "retry_after": self.retry_after}


class RateLimitError(TransientError):
    """The source asked for fewer calls; always retryable."""

    default_code = "RATE_LIMIT_EXCEEDED"

    def __init__(
        self,
        message: str,
        error_code: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, error_code, details, True, retry_after)  # noqa: FBT003


class PluginError(DativoError):
    """A plugin broke its own contract or crashed."""

    default_code = "PLUGIN_ERROR"


class PluginVersionError(PluginError):
    """A plugin was made for another version of the SDK."""

    default_code = "PLUGIN_VERSION_INCOMPATIBLE"

    def __init__(
        self,
        message: str,
        plugin_version: str | None = None,
        required_version: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, None, details)
        self.plugin_version = plugin_version
        self.required_version = required_version
        self.details.update(
            {
                k: v
                for k, v in (("plugin_version", plugin_version), ("required_version", required_version))
                if v is not None
            }
        )


class SandboxError(PluginError):
    """The sandbox around a plugin failed or had to be ended."""

    default_code = "SANDBOX_ERROR"
    default_retryable = True


def _rebuild(cls: type[DativoError], state: dict[str, Any]) -> DativoError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


def is_retryable_error(error: BaseException) -> bool:
    """Say whether ``error`` may pass by itself; errors that are not ours do not."""
    return isinstance(error, DativoError) and error.retryable


def get_error_code(error: BaseException) -> str:
    """Give the stable code of ``error``, ``UNKNOWN_ERROR`` for one that is not ours."""
    return error.error_code if isinstance(error, DativoError) else "UNKNOWN_ERROR"


def wrap_exception(
    error: BaseException,
    error_class: type[DativoError] = DativoError,
    message: str | None = None,
) -> DativoError:
    """Give ``error`` itself when it is ours, else an ``error_class`` that keeps its type and message as details."""
    if isinstance(error, DativoError):
        return error
    wrapped = error_class(
        message or f"{type(error).__name__}: {error}",
        details={"original_error": type(error).__name__, "original_message": str(error)},
    )
    wrapped.__cause__ = error
    return wrapped
