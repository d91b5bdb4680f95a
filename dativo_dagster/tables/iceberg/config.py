"""What a user says of a catalog, and the catalog opened."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - ours
    DativoError,
    TransientError,
)

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog as IcebergCatalog

EMBEDDED_ENV = "DATIVO_WAREHOUSE"
EMBEDDED_FOLDER = ".dativo/warehouse"
SQLITE_WAIT_SECONDS = 30
FIRST_OPENINGS = 5
PLAIN_PROPERTIES = {"credential", "token", "scope", "audience", "resource", "ref", "prefix", "cert", "auth", "echo"}


class Catalog(BaseModel):
    """An Iceberg catalog. Further keys are properties of pyiceberg and go to it as they are: OAuth, SigV4, Glue, ..."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(default="dativo", description="Name of the catalog; the SQL catalog keeps tables by it.")
    type: Literal["sql", "rest", "glue"] | None = Field(default=None, description="Told by `uri` when left out.")
    uri: str | None = Field(
        default=None, description="http(s)://... for REST; sqlite:///... or postgresql://... for SQL."
    )
    warehouse: str | None = Field(
        default=None, description="Where tables go: a folder, s3://bucket/... or gs://bucket/..."
    )
    properties: dict[str, Any] = Field(default_factory=dict, description="The same as further keys, kept apart.")

    @model_validator(mode="after")
    def _no_typos(self) -> Catalog:
        """Take for a property what has the form of one, so that a misspelt key of ours is not lost among them."""
        for key in self.model_extra or {}:
            if not re.search(r"[.-]", key) and key not in PLAIN_PROPERTIES:
                near = difflib.get_close_matches(key, type(self).model_fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "if pyiceberg knows it, put it under `properties`"
                raise ValueError(f"unknown key {key!r}; {hint}")
        return self

    @property
    def all_properties(self) -> dict[str, str]:
        """Give every property, however it was written; pyiceberg wants them as text."""
        said = {**(self.model_extra or {}), **self.properties}
        return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in said.items()}


class Config(BaseModel):
    """Options of an Iceberg target."""

    model_config = ConfigDict(extra="forbid")

    catalog: Catalog | str | None = Field(
        default=None,
        description="The catalog, its URI, or the name of one in `connection`; without it an embedded one.",
    )
    warehouse: str | None = Field(default=None, description="Short for `catalog.warehouse`.")
    branch: str | None = Field(default=None, description="Reference of a Nessie catalog.")
    connection: dict[str, Any] = Field(default_factory=dict, description="How to reach the object store.")


def resolve(config: Config) -> Catalog:
    """Give the catalog that a config means.

    Without `catalog`, tables are kept in the folder that the environment variable ``DATIVO_WAREHOUSE`` names, else
    in ``.dativo/warehouse`` of the working directory: data in the same place, or in the bucket of `connection`, and
    a SQLite catalog ``catalog.db``. Relative paths start at the working directory.

    Raises:
        ConfigurationError: ``CATALOG_INCOMPLETE``: the catalog has no URI.
    """
    said = config.catalog
    if isinstance(said, str):
        said = Catalog(uri=said) if ":" in said else _named(said, config)
    found = said or Catalog()
    warehouse = config.warehouse or found.warehouse
    properties = found.all_properties | ({"ref": config.branch} if config.branch else {})
    if found.uri is None and found.type in {None, "sql"}:
        home = Path(os.environ.get(EMBEDDED_ENV) or EMBEDDED_FOLDER).absolute()
        bucket = _bucket(config.connection)
        return found.model_copy(
            update={
                "type": "sql",
                "uri": f"sqlite:///{home / 'catalog.db'}",
                "warehouse": _absolute(warehouse or (f"s3://{bucket}" if bucket else str(home))),
                "properties": properties,
            }
        )
    kind = found.type or _kind(found.uri or "")
    if kind == "sql" and not warehouse:
        raise ConfigurationError(
            "catalog: a SQL catalog with its own uri needs `warehouse`, the place of the tables",
            "CATALOG_INCOMPLETE",
        )
    if kind == "rest" and not found.uri:
        raise ConfigurationError("catalog: a REST catalog needs `uri`", "CATALOG_INCOMPLETE")
    place = _absolute(warehouse) if warehouse and kind == "sql" else warehouse
    return found.model_copy(update={"type": kind, "warehouse": place, "properties": properties})


def open_catalog(config: Config) -> IcebergCatalog:
    """Open the catalog that a config means; makes the folder and the tables of an embedded one.

    Raises:
        ConfigurationError: The catalog is not described well, or a driver is missing.
        ConnectionError: It cannot be reached.
    """
    from dativo_dagster.config.connection import pyiceberg_properties

    catalog = resolve(config)
    properties: dict[str, Any] = {
        **(pyiceberg_properties(config.connection) if config.connection else {}),
        **catalog.properties,
        "type": catalog.type,
        "uri": catalog.uri,
        "warehouse": catalog.warehouse,
    }
    uri = catalog.uri or ""
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///").partition("?")[0]).parent.mkdir(parents=True, exist_ok=True)
    with reaching(catalog):
        opened = _opened(catalog.name, {k: v for k, v in properties.items() if v is not None})
        _unpool(opened, uri)
    return opened


@contextmanager
def reaching(catalog: Catalog) -> Iterator[None]:
    """Turn what pyiceberg and its clients raise into errors of ours."""
    from pyiceberg import exceptions as theirs
    from requests import exceptions as http
    from sqlalchemy import exc as sql

    where = f"catalog {catalog.name!r} ({_shown(catalog.uri)})"
    try:
        yield
    except DativoError:
        raise
    except (theirs.UnauthorizedError, theirs.ForbiddenError, theirs.OAuthError, theirs.AuthorizationExpiredError) as e:
        raise AuthenticationError(f"{where} refuses the credentials: {e}") from e
    except (theirs.ServerError, theirs.ServiceUnavailableError) as e:
        raise TransientError(f"{where} answers with a server error: {e}", "CATALOG_UNAVAILABLE") from e
    except (http.ConnectionError, http.Timeout, sql.OperationalError) as e:
        raise ConnectionError(f"{where} cannot be reached: {_first_line(e)}", "CATALOG_UNREACHABLE") from e
    except (theirs.NotInstalledError, ModuleNotFoundError) as e:
        raise ConfigurationError(
            f"{where} needs a package that is not installed ({e}): {_install(catalog)}", "MISSING_EXTRA"
        ) from e
    except (OSError, theirs.RESTError, sql.SQLAlchemyError) as e:
        raise ConnectionError(f"{where}: {_first_line(e)}", "CATALOG_FAILED", retryable=False) from e


def _install(catalog: Catalog) -> str:
    if catalog.uri and catalog.uri.startswith("postgres"):
        return "pip install 'dativo-dagster[postgres]'"
    return "pip install 'dativo-dagster[glue]'" if catalog.type == "glue" else "pip install the driver of this database"


def _opened(name: str, properties: dict[str, str], tries: int = FIRST_OPENINGS) -> IcebergCatalog:
    """Open a catalog. Of many that make the tables of one at once, all but one hear that they exist, and look again."""
    from pyiceberg.catalog import load_catalog
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return load_catalog(name, **properties)
    except SQLAlchemyError as error:
        if tries == 1 or "exist" not in str(error):
            raise
    return _opened(name, properties, tries - 1)


def _unpool(catalog: IcebergCatalog, uri: str) -> None:
    """Keep no connection open between calls: a table has no end of life at which a pool could be closed."""
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy import NullPool, create_engine

    if isinstance(catalog, SqlCatalog):
        catalog.engine.dispose()
        waits = {"timeout": SQLITE_WAIT_SECONDS} if uri.startswith("sqlite") else {}
        catalog.engine = create_engine(uri, poolclass=NullPool, connect_args=waits)


def _named(name: str, config: Config) -> Catalog:
    """Give the catalog that the earlier system names: its settings stand in `connection` under the same name."""
    settings = config.connection.get(name)
    uri = (settings.get("uri") if isinstance(settings, Mapping) else None) or os.environ.get(f"{name.upper()}_URI")
    if not uri:
        raise ConfigurationError(
            f"catalog {name!r}: there is no uri; write `catalog: {{type: rest, uri: ...}}`, or set "
            f"connection.{name}.uri or {name.upper()}_URI",
            "CATALOG_INCOMPLETE",
        )
    return Catalog(name=name, type="rest", uri=str(uri).removesuffix("/api/v1"))


def _kind(uri: str) -> str:
    return "rest" if uri.startswith(("http://", "https://")) else "sql" if uri else "glue"


def _bucket(connection: Mapping[str, Any]) -> str | None:
    from dativo_dagster.config.connection import s3_settings

    return s3_settings(connection).bucket if connection else None


def _absolute(place: str) -> str:
    return place.rstrip("/") if "://" in place else f"file://{Path(place).absolute()}"


def _shown(uri: str | None) -> str:
    """Give a URI without user and password."""
    scheme, separator, rest = (uri or "no uri").partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
