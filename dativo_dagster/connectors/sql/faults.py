"""What goes wrong in databases of every kind: the error of ours, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable

from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours, on purpose
    DativoError,
    TransientError,
    ValidationError,
)

Fault = Callable[[str], DativoError]


def fault(kind: type[DativoError], code: str, advice: str, *, retryable: bool | None = None) -> Fault:
    """Give what makes an error of a message: the server's words, and then the advice."""
    return lambda message: kind(f"{message}. {advice}", code, retryable=retryable)


PERMISSION = fault(AuthenticationError, "PERMISSION_DENIED", "Let an owner GRANT what is missing to the job's user")
NO_DATABASE = fault(ConfigurationError, "DATABASE_NOT_FOUND", "Check `database`")
NO_TABLE = fault(ConfigurationError, "TABLE_NOT_FOUND", "Check `tables` and `query`")
QUERY = fault(ConfigurationError, "BAD_QUERY", "Mend `query`, or the table's name")
DATA = fault(ValidationError, "BAD_VALUE", "Mend the value or the query at the source")
NETWORK = fault(ConnectionError, "CONNECTION_FAILED", "Check host and port, and that the server runs")
TLS = fault(ConnectionError, "TLS_FAILED", "Check `tls`, and the server's certificate", retryable=False)
CANCELLED = fault(ConnectionError, "CANCELLED", "Somebody ended the query", retryable=False)
TIMEOUT = fault(TransientError, "STATEMENT_TIMEOUT", "Raise `statement_timeout`, or read less at once")
BUSY = fault(TransientError, "SERVER_BUSY", "It may pass by itself")
LOST = fault(ConnectionError, "CONNECTION_LOST", "It may pass by itself")
