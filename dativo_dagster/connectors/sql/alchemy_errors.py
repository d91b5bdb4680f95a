"""Errors of any driver below SQLAlchemy as ours: by SQLSTATE or MySQL's number, else by the words that drivers share."""

from __future__ import annotations

import re
from typing import Any

from dativo_dagster.connectors.sql import my_errors
from dativo_dagster.connectors.sql.adbc_errors import without_secrets
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours, on purpose
    DativoError,
)

_WORDS: tuple[tuple[str, type[DativoError], str, bool], ...] = (
    (r"^28|password authentication failed|access denied|login failed|ORA-01017", AuthenticationError, "AUTHENTICATION_FAILED", False),
    (r"^42501|permission denied|insufficient privileges", AuthenticationError, "PERMISSION_DENIED", False),
    (r"^3D|database .* does not exist|unable to open database|unknown database", ConfigurationError, "DATABASE_NOT_FOUND", False),
    (r"^42P01|no such table|relation .* does not exist|ORA-00942|invalid object name", ConfigurationError, "TABLE_NOT_FOUND", False),
    (r"^42|syntax error|no such column|ORA-009", ConfigurationError, "BAD_QUERY", False),
    (r"^57014|interrupted|canceling statement due to user", ConnectionError, "CANCELLED", False),
    (r"^08|could not connect|connection refused|could not translate|timed? ?out|unreachable", ConnectionError, "CONNECTION_FAILED", True),
)  # fmt: skip


def translate(error: BaseException, where: str, url: str | None) -> DativoError:
    """Give an error as one of ours, without the query, its values or what the address keeps secret."""
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    said: Any = getattr(error, "orig", None) or error
    text = without_secrets(str(said), url).split(" LINE ")[0]
    if isinstance(error, NoSuchModuleError | ArgumentError | ImportError):
        return ConfigurationError(f"{where}: {text}. Check `url`, and install its driver", "NO_DRIVER")
    if type(said).__module__.startswith("pymysql"):
        return my_errors.translate(said, where)
    state = str(getattr(said, "pgcode", None) or getattr(said, "sqlstate", None) or "")
    for pattern, kind, code, retryable in _WORDS:
        if re.search(pattern, state) if state else re.search(pattern, text, re.I):
            return kind(f"{where}: {text}", code, retryable=retryable)
    return ConnectionError(f"{where}: {text}", "CONNECTION_LOST")
