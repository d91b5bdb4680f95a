"""Errors of MySQL and MariaDB as ours, by the server's own numbers.

Numbers: https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html and
https://mariadb.com/kb/en/mariadb-error-codes/; those from 2000 on are the client's.
"""

from __future__ import annotations

import re

from dativo_dagster.connectors.sql import faults
from dativo_ingest.exceptions import AuthenticationError, DativoError, wrap_exception


class BrokenProtocolError(Exception):
    """The server sent what is no row, or stopped in the middle of one."""


_AUTHENTICATION = faults.fault(
    AuthenticationError, "AUTHENTICATION_FAILED", "Check user, password and the host it comes from"
)

_NUMBERS: dict[faults.Fault, tuple[int, ...]] = {
    _AUTHENTICATION: (1045, 1130, 1251, 1396, 1524, 1698, 1820, 1862, 2049, 2059, 2061, 3118, 4151),
    faults.PERMISSION: (1044, 1142, 1143, 1227, 1356, 1370),
    faults.NO_DATABASE: (1046, 1049),
    faults.NO_TABLE: (1051, 1109, 1146),
    faults.QUERY: (1052, 1054, 1060, 1064, 1065, 1235, 1248, 1290, 1305, 1582, 1792),
    faults.DATA: (1264, 1292, 1365, 1366, 1406, 1690, 1916),
    faults.TLS: (2026, 3159, 3636),
    faults.CANCELLED: (1317,),
    faults.TIMEOUT: (1969, 3024),
    faults.BUSY: (1040, 1041, 1053, 1129, 1203, 1205, 1213, 1226, 1412, 1637, 1927),
    faults.NETWORK: (2002, 2003, 2005),
    faults.LOST: (1152, 1153, 1158, 1159, 1160, 1161, 2006, 2013, 2055),
}
_BY_NUMBER = {number: made for made, numbers in _NUMBERS.items() for number in numbers}


def translate(error: BaseException, where: str) -> DativoError:
    """Give an error of the driver as one of ours; the message has the server's words and never a row."""
    import ssl

    number, text = _said(error)
    if isinstance(error, ssl.SSLError) or re.search(r"certificate|\[SSL", text):
        return faults.TLS(f"{where}: {text}")
    made = _BY_NUMBER.get(number)
    if made is None and re.search(r"cryptography|nacl", text, re.IGNORECASE):
        made = _AUTHENTICATION  # a package that a way to sign in needs
    if made is None and not number and not isinstance(error, OSError | BrokenProtocolError):
        return wrap_exception(error, message=f"{where}: {type(error).__name__}: {text}")
    if made is faults.DATA:
        text = re.sub(r"'(?:[^'\\]|\\.|'')*'", "'...'", text)
    return (made or (faults.QUERY if number else faults.LOST))(f"{where}: {text}")


def _said(error: BaseException) -> tuple[int, str]:
    """Give the number and the server's words; what follows ``near`` shows the query."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    words = str(error.args[-1]) if error.args else type(error).__name__
    words = re.sub(r"\s+", " ", re.split(r" near '|; check the manual", words, maxsplit=1)[0]).strip().rstrip(".")
    return number, f"{words} ({number})" if number else words or "the server gave no reason"
