"""Errors of any driver below SQLAlchemy as ours: by SQLSTATE or MySQL's number, else by words that drivers share."""

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

_WORDS: tuple[tuple[str, type[DativoError], str], ...] = (
    # a pattern fits the SQLSTATE where there is one, else the text
    (r"^28|password authentication failed|access denied|ORA-01017", AuthenticationError, "AUTHENTICATION_FAILED"),
    (r"^42501|permission denied|insufficient privileges", AuthenticationError, "PERMISSION_DENIED"),
    (r"^3D|database .* does not exist|unable to open database", ConfigurationError, "DATABASE_NOT_FOUND"),
    (r"^42P01|no such table|relation .* does not exist|ORA-00942", ConfigurationError, "TABLE_NOT_FOUND"),
    (r"^42|syntax error|no such column|ORA-009", ConfigurationError, "BAD_QUERY"),
    (r"^57014|interrupted|canceling statement due to user", ConnectionError, "CANCELLED"),
    (r"^08|refused|could not (connect|translate)|time(d |-)?out|unreachable", ConnectionError, "CONNECTION_FAILED"),
)


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
    for pattern, kind, code in _WORDS:
        if re.search(pattern, state or text, re.IGNORECASE):
            return kind(f"{where}: {text}", code, retryable=False if code == "CANCELLED" else None)
    return ConnectionError(f"{where}: {text}", "CONNECTION_LOST")
