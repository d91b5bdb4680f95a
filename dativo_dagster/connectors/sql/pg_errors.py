"""Errors of PostgreSQL as ours: by SQLSTATE where there is one, else by what libpq says.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. An error at connecting, and one in the middle
of COPY, comes without its code; then the English text of the server has to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours
    DativoError,
    TransientError,
    ValidationError,
    wrap_exception,
)

Made = Callable[[str], DativoError]


def _make(kind: type[DativoError], code: str, advice: str, *, retryable: bool | None = None) -> Made:
    return lambda message: kind(f"{message}. {advice}", code, retryable=retryable)


_AUTHENTICATION = _make(AuthenticationError, "AUTHENTICATION_FAILED", "Check user and password, and pg_hba.conf")
_PERMISSION = _make(AuthenticationError, "PERMISSION_DENIED", "Let an owner GRANT what is missing to the job's user")
_NO_DATABASE = _make(ConfigurationError, "DATABASE_NOT_FOUND", "Check `database`")
_NO_TABLE = _make(ConfigurationError, "TABLE_NOT_FOUND", "Check `tables` and `query`")
_QUERY = _make(ConfigurationError, "BAD_QUERY", "Mend `query`, or the table's name")
_DATA = _make(ValidationError, "BAD_VALUE", "Mend the value or the query at the source")
_NETWORK = _make(ConnectionError, "CONNECTION_FAILED", "Check host and port, and that the server runs")
_TLS = _make(ConnectionError, "TLS_FAILED", "Check `tls`, and the server's certificate", retryable=False)
_CANCELLED = _make(ConnectionError, "CANCELLED", "Somebody ended the query", retryable=False)
_TIMEOUT = _make(TransientError, "STATEMENT_TIMEOUT", "Raise `statement_timeout`, or read less at once")
_REPLICA = _make(TransientError, "REPLICA_CONFLICT", "Raise max_standby_streaming_delay there, or read the primary")
_BUSY = _make(TransientError, "SERVER_BUSY", "It may pass by itself")
_LOST = _make(ConnectionError, "CONNECTION_LOST", "It may pass by itself")

_STATES: dict[str, Made] = {
    "28": _AUTHENTICATION,
    "3D000": _NO_DATABASE,
    "42501": _PERMISSION,
    "42P01": _NO_TABLE,
    "3F000": _NO_TABLE,
    "42": _QUERY,
    "0A": _QUERY,
    "25006": _QUERY,
    "22": _DATA,
    "57014": _CANCELLED,
    "40": _BUSY,
    "53": _BUSY,
    "55": _BUSY,
    "57": _LOST,
    "08": _LOST,
}
_TEXTS: dict[str, Made] = {
    r"conflict with recovery": _REPLICA,
    r"statement timeout": _TIMEOUT,
    r"canceling statement due to user request": _CANCELLED,
    r"invalid input syntax|invalid byte sequence|out of range|division by zero|untranslatable character": _DATA,
    r"password authentication failed|no password supplied|authentication failed": _AUTHENTICATION,
    r"no pg_hba.conf entry|pg_hba.conf rejects|valid client certificate|certificate authentication": _AUTHENTICATION,
    r"role .* does not exist|is not permitted to log in": _AUTHENTICATION,
    r"database .* does not exist": _NO_DATABASE,
    r"permission denied": _PERMISSION,
    r"relation .* does not exist": _NO_TABLE,
    r"certificate|SSL|TLS": _TLS,
    r"too many (clients|connections)|starting up|shutting down|in recovery mode": _BUSY,
    r"terminating connection|closed the connection|could not receive|EOF detected": _LOST,
    r"could not translate host name|Connection refused|timeout expired|timed out|No route|unreachable": _NETWORK,
    r"session is (not )?read-only|server is (not )?in hot standby": _make(
        ConnectionError, "NO_REPLICA", "`read_replica` takes only a server that is one"
    ),
}


def translate(error: BaseException, where: str) -> DativoError:
    """Give an error of the driver as one of ours; the message has the server's words and never a row."""
    if not isinstance(error, OSError) and not type(error).__module__.startswith("adbc"):
        return wrap_exception(error)
    text = _words(str(error))
    message = f"{where}: {text}"
    state = getattr(error, "sqlstate", None) or ""
    by_text = next((made for pattern, made in _TEXTS.items() if re.search(pattern, text)), None)
    by_state = _STATES.get(state) or _STATES.get(state[:2])
    if by_state is not None:
        # A time-out and a conflict of a replica share their code with a cancelled query.
        return (by_text or by_state)(message) if state in {"57014", "40001"} else by_state(message)
    return (by_text or _LOST)(message)


def _words(text: str) -> str:
    """Keep the server's own line: what follows shows the query, and DETAIL may show a value."""
    text = re.split(r"\n(?:DETAIL|CONTEXT|LINE|Query was)|Query was:", text, maxsplit=1)[0]
    text = re.sub(
        r"^.*?(?:ERROR|FATAL):\s*|^(?:IO|INVALID_ARGUMENT|NOT_FOUND|INTERNAL|UNKNOWN): \[libpq\] ",
        "",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        r"^\[libpq\] |^Failed to connect: |\s+(Is the server running on|This probably means) .*",
        "",
        text,
        flags=re.DOTALL,
    )
    return re.sub(r"\s+", " ", text).strip().rstrip(".") or "the server gave no reason"
