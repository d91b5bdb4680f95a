"""Where a database is, from a URL: what a job says of it, and the variable that stands for its password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dativo_ingest.exceptions import ConfigurationError

CONNECTORS = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mariadb"}
"""Connectors by the scheme of a URL, without the driver behind its ``+``."""
VARIABLES = {"postgres": "PGPASSWORD", "mysql": "MYSQL_PASSWORD", "mariadb": "MARIADB_PASSWORD"}
URL_VARIABLE = "DATABASE_URL"
_TLS = frozenset({"disable", "prefer", "require", "verify-ca", "verify-full"})
_SECRET = re.compile(r"pass(word|wd)?$|pwd|secret|token", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A database.

    Args:
        connector: What reads it.
        name: Its own name, for a job.
        options: What the connector is told now, as a job may say it; nothing secret.
        secret: The option that is secret, and its variable.
        value: What the secret option is in this one call; None when there is none.
    """

    connector: str
    name: str
    options: Mapping[str, Any]
    secret: tuple[str, str] | None = None
    value: str | None = field(default=None, repr=False)

    def known(self) -> dict[str, Any]:
        """Give all options with the secret in clear, to look at the database now."""
        return {**self.options, **({self.secret[0]: self.value} if self.secret and self.value else {})}

    def variable(self) -> dict[str, str]:
        """Give the secret option as a job writes it; its variable may stay unset when none was needed now."""
        if self.secret is None:
            return {}
        option, variable = self.secret
        return {option: f"${{{variable}}}" if self.value else f"${{{variable}:-}}"}


def is_database(text: str) -> bool:
    """Say whether a text is the URL of a database that has a connector of its own."""
    return _backend(text) in CONNECTORS


def address_of(text: str, connector: str | None = None) -> Address:
    """Read a URL; one for ``sqlalchemy`` stays whole, and is secret as a whole when it may hold a password.

    Raises:
        ConfigurationError: ``BAD_OPTION``: it is no such URL. The message does not show it.
    """
    connector = connector or CONNECTORS.get(_backend(text), "")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _no_url(connector) from None
    if not parts.scheme or "://" not in text:
        raise _no_url(connector)
    database = unquote(parts.path.lstrip("/"))
    if connector not in VARIABLES:
        secret = parts.password is not None or bool(parts.query)
        url = {} if secret else {"url": text}
        return Address(
            connector=connector,
            name=database,
            options=url,
            secret=("url", URL_VARIABLE) if secret else None,
            value=text if secret else None,
        )
    host, user = unquote(parts.hostname or ""), unquote(parts.username or "")
    own = {"host": host, "port": port, "database": database, "user": user, **_query(parts.query)}
    variable = VARIABLES[connector]
    return Address(
        connector=connector,
        name=database,
        options={k: v for k, v in own.items() if v},
        secret=("password", variable),
        value=unquote(parts.password or "") or os.environ.get(variable) or None,
    )


def _backend(text: str) -> str:
    return text.partition("://")[0].partition("+")[0].lower() if "://" in text else ""


def _query(text: str) -> dict[str, Any]:
    """Give what stands behind the question mark: how the line is protected, and what else the driver is told."""
    found = dict(parse_qsl(text))
    for name in found:
        if _SECRET.search(name):
            raise ConfigurationError(
                f"{name!r} in the URL may be secret and would be written into the job; leave it out here, and add it "
                f"under `options` as a variable",
                "BAD_OPTION",
            )
    mode = found.get("sslmode")
    tls = {"tls": found.pop("sslmode")} if mode in _TLS else {}
    return {**tls, "options": found}


def _no_url(connector: str) -> ConfigurationError:
    scheme = connector if connector in VARIABLES else "dialect+driver"
    return ConfigurationError(
        f"that is no address of a database; write it as {scheme}://user@host:port/database",
        "BAD_OPTION",
    )
