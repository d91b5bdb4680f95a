"""Errors of any ADBC driver as ours: by SQLSTATE where the driver gives one, else by ADBC's own status."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from dativo_dagster.connectors.sql import faults
from dativo_dagster.connectors.sql.faults import fault
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours, on purpose
    DativoError,
    TransientError,
)

_AUTHENTICATION = fault(
    AuthenticationError, "AUTHENTICATION_FAILED", "Check what the address says of user and password"
)
_NO_DATABASE = fault(ConfigurationError, "DATABASE_NOT_FOUND", "Check the address")
_QUERY = fault(ConfigurationError, "BAD_QUERY", "Mend `query`, the table's name or `options`")
_NO_DRIVER = fault(ConfigurationError, "NO_DRIVER", "Install the driver, and check its name")
_TIMEOUT = fault(TransientError, "STATEMENT_TIMEOUT", "It may pass by itself")
_UNREACHED = fault(ConnectionError, "CONNECTION_FAILED", "Check the address, and that the server runs")

_STATES = {
    "28": _AUTHENTICATION,
    "42501": faults.PERMISSION,
    "42P01": faults.NO_TABLE,
    "42": _QUERY,
    "3D": _NO_DATABASE,
}
_STATUSES = {
    "UNAUTHENTICATED": _AUTHENTICATION,
    "UNAUTHORIZED": faults.PERMISSION,
    "NOT_FOUND": faults.NO_TABLE,
    "INVALID_ARGUMENT": _QUERY,
    "INVALID_STATE": _QUERY,
    "NOT_IMPLEMENTED": _QUERY,
    "CANCELLED": faults.CANCELLED,
    "TIMEOUT": _TIMEOUT,
    "IO": _UNREACHED,
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
    made = _STATES.get(state) or _STATES.get(state[:2]) or _STATUSES.get(status, faults.LOST)
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
