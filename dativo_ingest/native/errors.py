"""What a native plugin says went wrong, as the exception that the platform acts on. Called wherever one is called.

The class comes from the code, where the code is one that everybody uses, else from the plugin's word whether the same
call may succeed later. Code, flag, seconds and details are the plugin's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dativo_ingest import exceptions as e

if TYPE_CHECKING:
    from dativo_ingest.native import abi

MAX_MESSAGE = 4_000  # characters; a plugin that puts its input into a message does not fill the log

_CLASSES: dict[type[e.DativoError], tuple[str, ...]] = {
    e.ConnectionError: (
        "CONNECTION_ERROR",
        "CONNECTION_FAILED",
        "NETWORK_ERROR",
        "STORAGE_UNREACHABLE",
        "TIMEOUT",
        "TIMEOUT_ERROR",
    ),
    e.AuthenticationError: (
        "ACCESS_DENIED",
        "ACCESS_ERROR",
        "AUTHENTICATION_FAILED",
        "AUTH_FAILED",
        "INSUFFICIENT_PERMISSIONS",
        "NO_CREDENTIALS",
        "PERMISSION_ERROR",
    ),
    e.ConfigurationError: (
        "BROKEN_ARCHIVE",
        "BUCKET_NOT_FOUND",
        "COLUMNS_DIFFER",
        "CONFIGURATION_ERROR",
        "DUPLICATE_FILE_ID",
        "FILE_EXISTS",
        "FILE_NOT_FOUND",
        "INCOMPLETE_CREDENTIALS",
        "NOT_A_FILE",
        "NO_COLUMN_NAMES",
        "NO_LOGICAL_TYPE",
        "NO_SUCH_STREAM",
        "RECORD_TOO_LONG",
        "RESOURCE_NOT_FOUND",
        "TYPE_UNSUPPORTED",
        "UNKNOWN_ENCODING",
        "UNKNOWN_FORMAT",
        "UNKNOWN_STORAGE",
        "WRONG_ROLE",
    ),
    e.ValidationError: (
        "BAD_CSV",
        "BAD_ENCODING",
        "BAD_JSON",
        "BAD_PARQUET",
        "DUPLICATE_COLUMN",
        "NO_HEADER",
        "UNCLOSED_QUOTE",
        "UNKNOWN_COLUMNS",
        "VALIDATION_FAILED",
    ),
    e.CommitError: ("COMMIT_CONFLICT", "COMMIT_FAILED", "COMMIT_REFUSED", "COMMIT_UNKNOWN", "WRITE_FAILED"),
    e.TransientError: ("FILE_CHANGED", "TRANSIENT_ERROR"),
    e.RateLimitError: ("RATE_LIMIT_EXCEEDED",),
}
_CLASS = {code: kind for kind, codes in _CLASSES.items() for code in codes}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


@dataclass(frozen=True)
class Call:
    """Which plugin was asked what: all that an error must name."""

    plugin: str
    verb: str
    stream: str | None = None

    def __str__(self) -> str:
        """Give it as the beginning of a message."""
        return f"{self.plugin}: {self.verb}" + (f" of stream {self.stream!r}" if self.stream else "")

    @property
    def details(self) -> dict[str, Any]:
        """Give it for machines."""
        return {"plugin": self.plugin, "verb": self.verb} | ({"stream": self.stream} if self.stream else {})

    def broken(self, message: str, code: str = "PLUGIN_ERROR", **details: Any) -> e.PluginError:
        """Make the error of a plugin that did not keep its side."""
        return e.PluginError(f"{self}: {message}", code, {**self.details, **details})

    def failed(self, said: Mapping[str, Any]) -> e.DativoError:
        """Make the error that a plugin described, in the words that `taken` gives."""
        code, details = _code_of(said)
        retryable, wait = bool(said.get("retryable")), said.get("retry_after") or None
        message = str(said.get("message") or "failed, and the plugin does not say why")[:MAX_MESSAGE]
        message, details = f"{self}: {message}", {**details, **self.details}
        kind = _CLASS.get(code) or (e.TransientError if retryable else e.PluginError)
        if kind is e.RateLimitError:
            return e.RateLimitError(message, code, details, wait)
        if issubclass(kind, e.TransientError):
            return kind(message, code, details, retryable, wait)
        if wait is not None:
            details["retry_after"] = wait
        return kind(message, code, details, retryable)


def _code_of(said: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    code, details = said.get("code"), said.get("details")
    details = dict(details) if isinstance(details, Mapping) else {}
    if isinstance(code, str) and _CODE.fullmatch(code):
        return code, details
    return "PLUGIN_ERROR", {**details, "plugin_code": str(code)[:64]} if code else details


def taken(error: abi.DativoError) -> dict[str, Any]:
    """Copy what a plugin filled into an error, and release it; fields that it left out are None."""
    said = {
        "code": _text(error.code),
        "message": _text(error.message),
        "details": _object(_text(error.details)),
        "retryable": error.retryable == 1,
        "retry_after": max(error.retry_after_seconds, 0),
    }
    if error.release:
        error.release(ctypes.byref(error))
    return said


def _text(pointer: int | None) -> str | None:
    return ctypes.string_at(pointer).decode("utf-8", "replace") if pointer else None


def _object(text: str | None) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text or "null")
        return found if isinstance(found, dict) or found is None else {"details": found}
    return {"details": str(text)[:MAX_MESSAGE]}
