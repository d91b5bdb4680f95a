"""Options that every database has. Takes the shapes of the earlier system: `connection`, `credentials`, `engine`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
_ADDRESS = ("host", "port", "database", "user", "password")
_SYNONYMS = {"username": "user", "dbname": "database", "db": "database", "sslmode": "tls", "hostname": "host"}
_IGNORED = ("type", "engine", "objects", "rate_limits", "file_template", "files", "sheets")
"""What recipes of the earlier system say and no database here needs."""


class TableItem(BaseModel):
    """One line of `tables`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="table, view or pattern: `orders`, `sales.orders`, `sales.*`")
    object: str | None = Field(default=None, description="stream that reads it; the one with its name when left out")
    cursor_field: str | None = Field(default=None, description="cursor column of this table, as older jobs say it")


class Tls(BaseModel):
    """How the line is protected, and who the server must prove to be."""

    model_config = ConfigDict(extra="forbid")

    mode: TlsMode = Field(
        default="prefer",
        description="require: encrypted; verify-ca: by a known authority; verify-full: and of that name",
    )
    ca: str | None = Field(default=None, description="file with the certificates of the authorities")
    certificate: str | None = Field(default=None, description="file with our own certificate")
    key: str | None = Field(default=None, description="file with the key of our certificate")


class SqlConfig(BaseModel):
    """Options of a source that is a database."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    host: str | list[str] | None = Field(default=None, description="name or address; several are tried in order")
    port: int | None = Field(default=None, ge=1, le=65535)
    database: str | None = None
    user: str | None = None
    password: SecretStr | None = None
    url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("url", "dsn", "uri"),
        description="address as one text; what is said beside it wins",
    )
    options: dict[str, str] = Field(default_factory=dict, description="more that the driver may be told")
    tables: list[TableItem] = Field(
        default_factory=list, description="what streams read; the table with the stream's name when left out"
    )
    query: str | None = Field(default=None, min_length=1, description="SQL to read in place of a table")
    snapshot: Literal["job", "stream"] = Field(
        default="stream", description="job: all streams of a run see the database at one moment"
    )
    splits: int | None = Field(
        default=None, ge=1, le=64, description="connections that read one table at once; large tables only, if unsaid"
    )
    partition_by: str | None = Field(default=None, description="column of whole numbers to cut a table or query along")
    batch_rows: int | None = Field(
        default=None,
        ge=1,
        validation_alias=AliasChoices("batch_rows", "batch_size", "chunk_size"),
        description="most rows of a batch",
    )
    statement_timeout: float | None = Field(default=None, gt=0, description="seconds that one statement may take")
    connect_timeout: float = Field(default=10.0, gt=0, description="seconds to wait for a connection")
    tls: Tls = Field(default_factory=Tls)
    read_replica: bool = Field(default=False, description="take only a server that is a replica")
    timezone: str = Field(
        default="UTC", description="where the clocks of timestamps without a zone stand, for cursors and partitions"
    )

    @model_validator(mode="before")
    @classmethod
    def _kept_forms(cls, data: Any) -> Any:
        """Lift `connection` and `credentials` up, whatever is nested in them; what stands outside wins."""
        if not isinstance(data, Mapping):
            return data
        found: dict[str, Any] = {}
        for block in (data.get("credentials"), data.get("connection")):
            found |= _flat(block, cls) if isinstance(block, Mapping) else {}
        own = {k: v for k, v in data.items() if k not in {*_IGNORED, "connection", "credentials"} and v is not None}
        found |= {_SYNONYMS.get(k, k): v for k, v in own.items()}
        if isinstance(data.get("connection"), str):
            found.setdefault("url", data["connection"])
        for name in ("table", "schema_table"):
            if name in found and "tables" not in found:
                found["tables"] = found.pop(name)
        return {k: v for k, v in found.items() if v != ""}

    @field_validator("tables", mode="before", json_schema_input_type=str | TableItem | list[str | TableItem])
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        return [{"name": item} if isinstance(item, str) else item for item in items]

    @field_validator("tls", mode="before", json_schema_input_type=TlsMode | Tls)
    @classmethod
    def _mode_alone(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no time zone; write it as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _one_source(self) -> SqlConfig:
        if self.query and self.tables:
            raise ValueError("say `tables` or `query`, not both")
        if self.query and re.fullmatch(r"[\s;]*", self.query):
            raise ValueError("`query` is empty")
        return self

    def hosts(self) -> list[str]:
        """Give the hosts in the order in which they are tried."""
        found = self.host if isinstance(self.host, list) else (self.host or "").split(",")
        return [h.strip() for h in found if h.strip()]

    def secret_password(self) -> str | None:
        """Give the password in clear, for a driver."""
        return self.password.get_secret_value() if self.password else None

    def address(self) -> dict[str, Any]:
        """Give what is known of the address, with the parts of `url` below what is said by itself."""
        parts = split_url(self.url.get_secret_value()) if self.url else {}
        own = {"host": ",".join(self.hosts()) or None, "port": self.port, "database": self.database, "user": self.user}
        own["password"] = self.secret_password()
        return {**parts, **{k: v for k, v in own.items() if v is not None}}


def split_url(text: str) -> dict[str, Any]:
    """Take ``scheme://user:password@host:port/database?option=value`` apart; ``options`` has what comes last.

    Raises:
        ConfigurationError: It is no such URL. The message does not show it, since it may hold a password.
    """
    from dativo_ingest.exceptions import ConfigurationError

    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        port, parts = None, urlsplit("")
    if not parts.scheme or "://" not in text:
        raise ConfigurationError("`url` is no URL; write it as scheme://user:password@host:port/database", "BAD_OPTION")
    found = {
        "host": unquote(parts.hostname or "") or None,
        "port": port,
        "database": unquote(parts.path.lstrip("/")) or None,
        "user": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "options": dict(parse_qsl(parts.query)) or None,
    }
    return {k: v for k, v in found.items() if v is not None}


def _flat(block: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Give what a block says that this model knows, maps named after a database included."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        name = _SYNONYMS.get(key, key)
        if value is None or value == "" or key in _IGNORED:
            continue
        if isinstance(value, Mapping) and name not in model.model_fields:
            found |= _flat(value, model)
        else:
            found[name] = value
    return found
