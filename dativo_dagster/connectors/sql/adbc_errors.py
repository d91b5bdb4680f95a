"""Errors of any ADBC driver as ours: by SQLSTATE where the driver gives one, else by ADBC's own status."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours, on purpose
    DativoError,
    TransientError,
)

Made = Callable[[str], DativoError]


def _make(kind: type[DativoError], code: str, advice: str, *, retryable: bool | None = None) -> Made:
    return lambda message: kind(f"{message}. {advice}", code, retryable=retryable)


_AUTHENTICATION = _make(
    AuthenticationError, "AUTHENTICATION_FAILED", "Check what the address says of user and password"
)
_PERMISSION = _make(AuthenticationError, "PERMISSION_DENIED", "Let an owner GRANT what is missing to the job's user")
_NO_TABLE = _make(ConfigurationError, "TABLE_NOT_FOUND", "Check `tables` and `query`")
_NO_DATABASE = _make(ConfigurationError, "DATABASE_NOT_FOUND", "Check the address")
_QUERY = _make(ConfigurationError, "BAD_QUERY", "Mend `query`, the table's name or `options`")
_NO_DRIVER = _make(ConfigurationError, "NO_DRIVER", "Install the driver, and check its name")
_CANCELLED = _make(ConnectionError, "CANCELLED", "Somebody ended the query", retryable=False)
_TIMEOUT = _make(TransientError, "STATEMENT_TIMEOUT", "It may pass by itself")
_LOST = _make(ConnectionError, "CONNECTION_FAILED", "Check the address, and that the server runs")
_FAILED = _make(ConnectionError, "CONNECTION_LOST", "It may pass by itself")

_STATES = {"28": _AUTHENTICATION, "42501": _PERMISSION, "42P01": _NO_TABLE, "42": _QUERY, "3D": _NO_DATABASE}
_STATUSES = {
    "UNAUTHENTICATED": _AUTHENTICATION,
    "UNAUTHORIZED": _PERMISSION,
    "NOT_FOUND": _NO_TABLE,
    "INVALID_ARGUMENT": _QUERY,
    "INVALID_STATE": _QUERY,
    "NOT_IMPLEMENTED": _QUERY,
    "CANCELLED": _CANCELLED,
    "TIMEOUT": _TIMEOUT,
    "IO": _LOST,
}


def translate(error: BaseException, where: str, url: str | None) -> DativoError:
    """Give an error of a driver as one of ours, without what the address keeps secret."""
    text = without_secrets(str(error), url)
    message = f"{where}: {text}"
    state, status = str(getattr(error, "sqlstate", None) or ""), _status(error)
    if "dlopen" in text or "could not load" in text.lower():
        return _NO_DRIVER(message.partition(": dlopen()")[0])
    if not state and re.search(r"(password|Access) .*(failed|denied)|authentication failed", text):
        return _AUTHENTICATION(message)
    made = _STATES.get(state) or _STATES.get(state[:2]) or _STATUSES.get(status, _FAILED)
    return made(message)


def without_secrets(text: str, url: str | None) -> str:
    """Take the address and its password out of a text, which some drivers repeat."""
    if not url:
        return " ".join(text.split())
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        password = ""
    for secret in sorted({url, password, unquote(password)} - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())


def _status(error: Any) -> str:
    return str(getattr(getattr(error, "status_code", None), "name", ""))
