"""Errors of PostgreSQL as ours, by SQLSTATE; at connecting there is none, and the server's words have to do.

Codes: PostgreSQL's documentation, appendix "PostgreSQL Error Codes".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from dativo_ingest.exceptions import (
    AuthenticationError,
    CommitError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the SDK's own
    DativoError,
    TransientError,
)

_CONFLICTS = ("40001", "40P01", "55P03")
_LOST = ("08", "57")
_ROWS = ("22", "23")


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what the driver raises into an error of ours."""
    import adbc_driver_manager
    import pyarrow as pa

    try:
        yield
    except adbc_driver_manager.Error as error:
        raise translated(error.sqlstate, str(error), where) from error
    except pa.ArrowException as error:  # raised while a stream of rows is fetched
        raise translated(None, str(error), where) from error


def translated(state: str | None, text: str, where: str) -> DativoError:
    """Give an error by its code. The message has the server's first line, and none where that could show a value."""
    found = re.search(r"SQLSTATE: (\w{5})", text)
    state = state or (found[1] if found else "")
    message = f"{where}: {_line(text)}"
    if state in _CONFLICTS:
        return CommitError(f"{message}; it may pass by itself", "COMMIT_CONFLICT", retryable=True)
    if state[:2] == "53":
        return TransientError(f"{message}; it may pass by itself", "SERVER_BUSY")
    if state == "42501":
        return AuthenticationError(f"{message}. Let an owner GRANT what is missing", "PERMISSION_DENIED")
    if not state or state[:2] in (*_LOST, "28", "3D"):
        return _unreachable(message)
    if state[:2] in _ROWS:
        message = f"{where}: a value does not fit its column, or breaks a constraint of the table (SQLSTATE {state})"
    return CommitError(f"{message}; nothing of it is in the table", "WRITE_FAILED", {"sqlstate": state})


def _unreachable(message: str) -> DativoError:
    if re.search(r"authentication failed|no password supplied|pg_hba.conf|role .* does not exist", message):
        return AuthenticationError(f"{message}. Check user and password", "AUTHENTICATION_FAILED")
    if re.search(r"database .* does not exist", message):
        return ConfigurationError(f"{message}. Check `database`", "DATABASE_NOT_FOUND")
    return ConnectionError(f"{message}. Check host and port, and that the server runs", "CONNECTION_FAILED")


def _line(text: str) -> str:
    """Keep the server's own line: what follows shows the query, and DETAIL may show a value."""
    text = re.split(
        r"\n(?:DETAIL|CONTEXT|LINE|HINT)|Query was:|\s*\.? SQLSTATE:|\s+Is the server running", text, maxsplit=1
    )[0]
    text = re.sub(r"^.*?(?:ERROR|FATAL):\s*|^[A-Z_]+: \[libpq\] ", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text).strip().rstrip(".") or "the server gave no reason"
