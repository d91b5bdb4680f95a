"""A table in PostgreSQL, loaded by binary COPY through ADBC, in one transaction with its cursor and its token.

.. code-block:: yaml

    target:
      connector: postgres
      url: "${WAREHOUSE_URL}"             # or host, port, database, user and password, also inside `connection`
      table: sales.orders
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator

from dativo_dagster.tables.sql import pgtypes
from dativo_dagster.tables.sql.staging import STORES, Staging
from dativo_dagster.tables.sql.table import SqlTable
from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from dativo_dagster.config import types as lt
    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.sql.pgsession import PgSession
    from dativo_dagster.tables.sql.session import Name

TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
_SYNONYMS = {"username": "user", "dbname": "database", "db": "database", "sslmode": "tls", "hostname": "host"}
_IGNORED = ("type", "engine", "file_template")
"""What recipes of the earlier system say and nothing here needs."""


class Config(BaseModel):
    """Options of a target in PostgreSQL. What `connection` and `credentials` hold may also be said by itself."""

    model_config = ConfigDict(extra="forbid")

    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    database: str | None = None
    user: str | None = None
    password: SecretStr | None = None
    url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("url", "dsn", "uri"),
        description="address as one text, postgresql://...; what is said beside it wins",
    )
    tls: TlsMode | None = Field(default=None, description="as `sslmode` of libpq; prefer when left out")
    ca: str | None = Field(default=None, description="file with the certificates of the authorities")
    connect_timeout: int = Field(default=10, ge=1, description="seconds to wait for a connection")
    lock_timeout: float = Field(default=30.0, gt=0, description="seconds to wait for others at once, before a retry")
    staging: str | None = Field(default=None, description="folder for rows until their commit: local, s3:// or gs://")
    stores: dict[str, Any] = Field(default_factory=dict, description="how to reach the store of `staging`")

    @model_validator(mode="before")
    @classmethod
    def _kept_forms(cls, data: Any) -> Any:
        """Lift `connection` and `credentials` up; what stands outside wins."""
        if not isinstance(data, Mapping):
            return data
        found: dict[str, Any] = {}
        for block in (data.get("credentials"), data.get("connection")):
            found |= _flat(block) if isinstance(block, Mapping) else {"url": block} if block else {}
        found |= _flat({k: v for k, v in data.items() if k not in {"connection", "credentials"}})
        return found

    def conninfo(self) -> str:
        """Write where to connect as libpq reads it. The result holds the password."""
        named = {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.user,
            "password": self.password and self.password.get_secret_value(),
            "sslmode": self.tls,
            "sslrootcert": self.ca,
            "connect_timeout": self.connect_timeout,
            "application_name": "dativo",
            "client_encoding": "UTF8",
        }
        of_url = _parts(self.url.get_secret_value()) if self.url else {}
        found = {**of_url, **{key: value for key, value in named.items() if value is not None}}
        return " ".join(f"{key}='{_escaped(str(value))}'" for key, value in found.items())


def _parts(url: str) -> dict[str, str]:
    """Take ``postgresql://user:password@host:port/database?option=value`` apart.

    Raises:
        ConfigurationError: ``BAD_OPTION``. The message does not show it, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.scheme.startswith("postgres"):
        raise ConfigurationError("`url` is not of the form postgresql://user:password@host:port/database", "BAD_OPTION")
    named = {"host": parts.hostname, "user": parts.username, "password": parts.password, "dbname": parts.path[1:]}
    found = {key: unquote(value) for key, value in named.items() if value}
    return {**found, **({"port": str(port)} if port else {}), **dict(parse_qsl(parts.query))}


def _flat(block: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a block says, maps named after a database included; empty texts say nothing."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        if value is None or value == "" or key in _IGNORED:
            continue
        if key in STORES:
            found.setdefault("stores", {})[key] = value
        elif isinstance(value, Mapping) and key in {"postgres", "postgresql"}:
            found |= _flat(value)
        else:
            found[_SYNONYMS.get(key, key)] = value
    return found


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


class Table(SqlTable):
    """A table in PostgreSQL, or the place where one will be."""

    def __init__(self, config: Config, spec: TableSpec) -> None:
        super().__init__(Server(config), spec, Staging(spec, config.staging, config.stores))


class Server:
    """The dialect of PostgreSQL, for one database."""

    label = "PostgreSQL"
    default_schema = "public"
    longest_name: int | None = 63
    folds_case = False
    indexes = True

    def __init__(self, config: Config) -> None:
        self.config = config

    def check(self, name: Name) -> None:
        """Connect, and ask whether the user may write to the table, or make it."""
        with self.open() as session:
            session.may_write(name)

    def exists(self) -> bool:
        """Say yes: who names a server names one that is there."""
        return True

    @contextmanager
    def open(self) -> Iterator[PgSession]:
        """Connect."""
        from dativo_dagster.tables.sql.pgsession import PgSession

        session = PgSession(self.config.conninfo(), self.config.lock_timeout)
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def serial(self) -> Iterator[None]:
        """Do nothing: the server's locks do."""
        yield

    def native(self, kind: lt.LogicalType) -> str | None:
        """Give PostgreSQL's type."""
        return pgtypes.native(kind)

    def logical(self, native: str) -> lt.LogicalType | None:
        """Give the logical type of a column that somebody else made."""
        return pgtypes.logical(native)
