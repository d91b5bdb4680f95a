"""Errors of PostgreSQL as ours: by SQLSTATE where there is one, else by what libpq says.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. An error at connecting, and one in the middle
of COPY, comes without its code; then the English text of the server has to do.
"""

from __future__ import annotations

import re

from dativo_dagster.connectors.sql import faults
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - ours
    DativoError,
    TransientError,
    wrap_exception,
)

_AUTHENTICATION = faults.fault(AuthenticationError, "AUTHENTICATION_FAILED", "Check user and password, and pg_hba.conf")
_REPLICA = faults.fault(
    TransientError, "REPLICA_CONFLICT", "Raise max_standby_streaming_delay there, or read the primary"
)

_STATES: dict[str, faults.Fault] = {
    "28": _AUTHENTICATION,
    "3D000": faults.NO_DATABASE,
    "42501": faults.PERMISSION,
    "42P01": faults.NO_TABLE,
    "3F000": faults.NO_TABLE,
    "42": faults.QUERY,
    "0A": faults.QUERY,
    "25006": faults.QUERY,
    "22": faults.DATA,
    "57014": faults.CANCELLED,
    "40": faults.BUSY,
    "53": faults.BUSY,
    "55": faults.BUSY,
    "57": faults.LOST,
    "08": faults.LOST,
}
_TEXTS: dict[str, faults.Fault] = {
    r"conflict with recovery": _REPLICA,
    r"statement timeout": faults.TIMEOUT,
    r"canceling statement due to user request": faults.CANCELLED,
    r"invalid input syntax|invalid byte sequence|out of range|division by zero|untranslatable character": faults.DATA,
    r"password authentication failed|no password supplied|authentication failed": _AUTHENTICATION,
    r"no pg_hba.conf entry|pg_hba.conf rejects|valid client certificate|certificate authentication": _AUTHENTICATION,
    r"role .* does not exist|is not permitted to log in": _AUTHENTICATION,
    r"database .* does not exist": faults.NO_DATABASE,
    r"permission denied": faults.PERMISSION,
    r"relation .* does not exist": faults.NO_TABLE,
    r"certificate|SSL|TLS": faults.TLS,
    r"too many (clients|connections)|starting up|shutting down|in recovery mode": faults.BUSY,
    r"terminating connection|closed the connection|could not receive|EOF detected": faults.LOST,
    r"could not translate host name|Connection refused|timeout expired|timed out|No route|unreachable": faults.NETWORK,
    r"session is (not )?read-only|server is (not )?in hot standby": faults.fault(
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
    return (by_text or faults.LOST)(message)


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
