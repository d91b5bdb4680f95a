"""Every extension point by name. Lines are data: nothing is imported before somebody asks for it.

A distribution adds its own lines through the entry point groups ``dativo.connectors``, ``dativo.tables``,
``dativo.launchers``, ``dativo.secrets`` and ``dativo.checks``; each entry point names a module of the same shape as
ours.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Literal

from dativo_ingest.exceptions import ConfigurationError

Kind = Literal["connectors", "tables", "launchers", "secrets", "checks"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line: where the part lives, what it imports once it works, and the extra of this distribution with that."""

    module: str
    extra: str | None = None
    needs: tuple[str, ...] = ()
    summary: str = ""
    icon: str = ""


_FILES = "dativo_dagster.connectors.files"
_LAKE = "dativo_dagster.tables.files"
_MYSQL = "dativo_dagster.connectors.sql.mysql"

_ENV = Entry(module="dativo_dagster.secrets.env", summary="environment variables by tenant")
_FOLDER = Entry(module="dativo_dagster.secrets.file", summary="files below a folder by tenant")
_VAULT = Entry(module="dativo_dagster.secrets.vault", extra="vault", needs=("hvac",), summary="HashiCorp Vault KV")
_AWS = Entry(module="dativo_dagster.secrets.aws", summary="AWS Secrets Manager")
_GCP = Entry(
    module="dativo_dagster.secrets.gcp",
    extra="gcp",
    needs=("google.auth", "google.cloud.secretmanager"),
    summary="Google Secret Manager",
)
_POSTGRES = ("adbc_driver_manager", "adbc_driver_postgresql")
_PYMYSQL = ("pymysql",)

ENTRIES: dict[Kind, dict[str, Entry]] = {
    "connectors": {
        "files": Entry(module=_FILES, summary="CSV, JSON Lines or Parquet, told by the file's name", icon="file"),
        "csv": Entry(module=_FILES, summary="CSV files, plain or compressed", icon="csv"),
        "json": Entry(module=_FILES, summary="JSON Lines files, plain or compressed", icon="json"),
        "parquet": Entry(module=_FILES, summary="Parquet files", icon="parquet"),
        "postgres": Entry(
            module="dativo_dagster.connectors.sql.postgres",
            extra="postgres",
            needs=_POSTGRES,
            summary="PostgreSQL tables, views and queries",
            icon="postgresql",
        ),
        "mysql": Entry(
            module=_MYSQL, extra="mysql", needs=_PYMYSQL, summary="MySQL tables, views and queries", icon="mysql"
        ),
        "mariadb": Entry(
            module=_MYSQL, extra="mysql", needs=_PYMYSQL, summary="MariaDB tables, views and queries", icon="mariadb"
        ),
        "adbc": Entry(
            module="dativo_dagster.connectors.sql.adbc",
            extra="adbc",
            needs=("adbc_driver_manager",),
            summary="any database with an ADBC driver",
        ),
        "sqlalchemy": Entry(
            module="dativo_dagster.connectors.sql.sqlalchemy", summary="any database with a SQLAlchemy dialect, by rows"
        ),
    },
    "tables": {
        "iceberg": Entry(
            module="dativo_dagster.tables.iceberg",
            summary="Iceberg table in a SQL, REST or Glue catalog",
            icon="iceberg",
        ),
        "parquet": Entry(module=_LAKE, summary="Parquet files with an atomic manifest", icon="parquet"),
        "files": Entry(module=_LAKE, summary="the same, by another name", icon="parquet"),
        "s3": Entry(module=_LAKE, summary="the same, on S3", icon="s3"),
        "minio": Entry(module=_LAKE, summary="the same, on an S3-compatible server", icon="minio"),
        "gcs": Entry(module=_LAKE, summary="the same, on Google Cloud Storage", icon="googlecloud"),
        "delta": Entry(
            module="dativo_dagster.tables.delta",
            extra="delta",
            needs=("deltalake",),
            summary="Delta table in a folder",
            icon="deltalake",
        ),
        "postgres": Entry(
            module="dativo_dagster.tables.sql.postgres",
            extra="postgres",
            needs=_POSTGRES,
            summary="table in PostgreSQL",
            icon="postgresql",
        ),
        "duckdb": Entry(
            module="dativo_dagster.tables.sql.duckdb",
            extra="duckdb",
            needs=("duckdb",),
            summary="table in a DuckDB file",
            icon="duckdb",
        ),
        "plugin": Entry(module="dativo_dagster.tables.plugin", summary="a custom writer that commits by itself"),
    },
    "launchers": {
        "local": Entry(module="dativo_dagster.launchers.local", summary="in the process that runs the job"),
        "process": Entry(module="dativo_dagster.launchers.process", summary="in a child process"),
        "docker": Entry(
            module="dativo_dagster.launchers.docker",
            extra="docker",
            needs=("docker",),
            summary="locked into a container",
        ),
        "aws_lambda": Entry(module="dativo_dagster.launchers.aws_lambda", summary="in a function of AWS Lambda"),
        "gcp_functions": Entry(
            module="dativo_dagster.launchers.gcp_functions",
            extra="gcp",
            needs=("google.auth", "google.cloud.functions_v2"),
            summary="in a Google Cloud Function",
        ),
    },
    "secrets": {
        "env": _ENV,
        "environment": _ENV,
        "filesystem": _FOLDER,
        "file": _FOLDER,
        "fs": _FOLDER,
        "vault": _VAULT,
        "hashicorp": _VAULT,
        "hashicorp_vault": _VAULT,
        "aws": _AWS,
        "aws_secrets_manager": _AWS,
        "gcp": _GCP,
        "gcp_secret_manager": _GCP,
    },
    "checks": {
        "rules": Entry(module="dativo_dagster.checks.rules", summary="one check a contract rule"),
        "rows": Entry(module="dativo_dagster.checks.rows", summary="source rows = written + rejected"),
        "schema": Entry(module="dativo_dagster.checks.schema", summary="the table has the contract's columns"),
    },
}


@cache
def entries(kind: Kind) -> dict[str, Entry]:
    """Give all lines of one kind by name, those of installed distributions included; ours win."""
    found = {
        p.name: Entry(module=p.value, summary=p.dist.name if p.dist else "")
        for p in entry_points(group=f"dativo.{kind}")
    }
    return {**found, **ENTRIES[kind]}


def entry(kind: Kind, name: str) -> Entry:
    """Give one line.

    Raises:
        ConfigurationError: Nothing has that name; the message proposes what is nearest.
    """
    known = entries(kind)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(sorted(known))}"
    what = "secret manager" if kind == "secrets" else kind.removesuffix("s")
    msg = f"no {what} is called {name!r}; {hint}"
    raise ConfigurationError(msg, "UNKNOWN_" + kind.removesuffix("s").upper(), {"name": name, "known": sorted(known)})


def load(kind: Kind, name: str) -> ModuleType:
    """Import the part called ``name``, which is enough to check its options; see `ready`.

    Raises:
        ConfigurationError: Nothing has that name, or its module imports a package that is missing.
    """
    try:
        return importlib.import_module(entry(kind, name).module)
    except ImportError as error:
        raise _missing(kind, name, str(error.name)) from error


def ready(kind: Kind, name: str) -> ModuleType:
    """Import the part called ``name``, to be opened: everything it needs is installed.

    Raises:
        ConfigurationError: Nothing has that name, or a package it needs is missing (the message names the extra).
    """
    for package in entry(kind, name).needs:
        if not _installed(package):
            raise _missing(kind, name, package)
    return load(kind, name)


def _installed(package: str) -> bool:
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # a parent of it
        return False
    return found is not None and found.origin is not None  # a folder of that name, as `docker` here, has none


def _missing(kind: Kind, name: str, package: str) -> ConfigurationError:
    line = entry(kind, name)
    install = f"pip install 'dativo-dagster[{line.extra}]'" if line.extra else "pip install dativo-dagster"
    what = "place" if kind == "launchers" else "secret manager" if kind == "secrets" else kind.removesuffix("s")
    msg = f"{what} {name!r} needs the package {package!r}, which is not installed: {install}"
    return ConfigurationError(msg, "MISSING_EXTRA", {"name": name, "package": package, "extra": line.extra})
