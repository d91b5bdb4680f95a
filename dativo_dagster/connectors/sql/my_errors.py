"""Errors of MySQL and MariaDB as ours, by the server's own numbers.

Numbers: https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html and
https://mariadb.com/kb/en/mariadb-error-codes/; those from 2000 on are the client's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours, on purpose
    DativoError,
    TransientError,
    ValidationError,
    wrap_exception,
)


class BrokenProtocolError(Exception):
    """The server sent what is no row, or stopped in the middle of one."""


Made = Callable[[str], DativoError]


def _make(kind: type[DativoError], code: str, advice: str, *, retryable: bool | None = None) -> Made:
    return lambda message: kind(f"{message}. {advice}", code, retryable=retryable)


_AUTHENTICATION = _make(AuthenticationError, "AUTHENTICATION_FAILED", "Check user, password and the host it comes from")
_PERMISSION = _make(AuthenticationError, "PERMISSION_DENIED", "Let an owner GRANT what is missing to the job's user")
_NO_DATABASE = _make(ConfigurationError, "DATABASE_NOT_FOUND", "Check `database`")
_NO_TABLE = _make(ConfigurationError, "TABLE_NOT_FOUND", "Check `tables` and `query`")
_QUERY = _make(ConfigurationError, "BAD_QUERY", "Mend `query`, or the table's name")
_DATA = _make(ValidationError, "BAD_VALUE", "Mend the value or the query at the source")
_NETWORK = _make(ConnectionError, "CONNECTION_FAILED", "Check host and port, and that the server runs")
_TLS = _make(ConnectionError, "TLS_FAILED", "Check `tls`, and the server's certificate", retryable=False)
_CANCELLED = _make(ConnectionError, "CANCELLED", "Somebody ended the query", retryable=False)
_TIMEOUT = _make(TransientError, "STATEMENT_TIMEOUT", "Raise `statement_timeout`, or read less at once")
_BUSY = _make(TransientError, "SERVER_BUSY", "It may pass by itself")
_LOST = _make(ConnectionError, "CONNECTION_LOST", "It may pass by itself")

_NUMBERS: dict[Made, tuple[int, ...]] = {
    _AUTHENTICATION: (1045, 1130, 1251, 1396, 1524, 1698, 1820, 1862, 2049, 2059, 2061, 3118, 4151),
    _PERMISSION: (1044, 1142, 1143, 1227, 1356, 1370),
    _NO_DATABASE: (1046, 1049),
    _NO_TABLE: (1051, 1109, 1146),
    _QUERY: (1052, 1054, 1060, 1064, 1065, 1235, 1248, 1290, 1305, 1582, 1792),
    _DATA: (1264, 1292, 1365, 1366, 1406, 1690, 1916),
    _TLS: (2026, 3159, 3636),
    _CANCELLED: (1317,),
    _TIMEOUT: (1969, 3024),
    _BUSY: (1040, 1041, 1053, 1129, 1203, 1205, 1213, 1226, 1412, 1637, 1927),
    _NETWORK: (2002, 2003, 2005),
    _LOST: (1152, 1153, 1158, 1159, 1160, 1161, 2006, 2013, 2055),
}
_BY_NUMBER = {number: made for made, numbers in _NUMBERS.items() for number in numbers}


def translate(error: BaseException, where: str) -> DativoError:
    """Give an error of the driver as one of ours; the message has the server's words and never a row."""
    import ssl

    number, text = _said(error)
    if isinstance(error, ssl.SSLError) or re.search(r"certificate|\[SSL", text):
        return _TLS(f"{where}: {text}")
    made = _BY_NUMBER.get(number)
    if made is None and re.search(r"cryptography|nacl", text, re.IGNORECASE):
        made = _AUTHENTICATION  # a package that a way to sign in needs
    if made is None and not number and not isinstance(error, OSError | BrokenProtocolError):
        return wrap_exception(error, message=f"{where}: {type(error).__name__}: {text}")
    if made is _DATA:
        text = re.sub(r"'(?:[^'\\]|\\.|'')*'", "'...'", text)
    return (made or (_QUERY if number else _LOST))(f"{where}: {text}")


def _said(error: BaseException) -> tuple[int, str]:
    """Give the number and the server's words; what follows ``near`` shows the query."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    words = str(error.args[-1]) if error.args else type(error).__name__
    words = re.sub(r"\s+", " ", re.split(r" near '|; check the manual", words, maxsplit=1)[0]).strip().rstrip(".")
    return number, f"{words} ({number})" if number else words or "the server gave no reason"
