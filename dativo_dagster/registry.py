"""Every extension point by name. Lines are data: nothing is imported before somebody asks for it.

A distribution adds its own lines through the entry point groups ``dativo.connectors``, ``dativo.tables``,
``dativo.launchers``, ``dativo.secrets`` and ``dativo.checks``; each entry point names a module of the same shape as
ours.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Literal

from dativo_ingest.exceptions import ConfigurationError

Kind = Literal["connectors", "tables", "launchers", "secrets", "checks"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line: where the part lives, and the extra of this distribution that installs what it needs."""

    module: str
    extra: str | None = None
    summary: str = ""
    icon: str = ""


_FILES = "dativo_dagster.connectors.files"
_LAKE = "dativo_dagster.tables.files"
_MYSQL = "dativo_dagster.connectors.sql.mysql"

_ENV = Entry(module="dativo_dagster.secrets.env", summary="environment variables by tenant")
_FOLDER = Entry(module="dativo_dagster.secrets.file", summary="files below a folder by tenant")
_VAULT = Entry(module="dativo_dagster.secrets.vault", extra="vault", summary="HashiCorp Vault KV")
_AWS = Entry(module="dativo_dagster.secrets.aws", summary="AWS Secrets Manager")
_GCP = Entry(module="dativo_dagster.secrets.gcp", extra="gcp", summary="Google Secret Manager")

ENTRIES: dict[Kind, dict[str, Entry]] = {
    "connectors": {
        "files": Entry(module=_FILES, summary="CSV, JSON Lines or Parquet, told by the file's name", icon="file"),
        "csv": Entry(module=_FILES, summary="CSV files, plain or compressed", icon="csv"),
        "json": Entry(module=_FILES, summary="JSON Lines files, plain or compressed", icon="json"),
        "parquet": Entry(module=_FILES, summary="Parquet files", icon="parquet"),
        "postgres": Entry(
            module="dativo_dagster.connectors.sql.postgres",
            extra="postgres",
            summary="PostgreSQL tables, views and queries",
            icon="postgresql",
        ),
        "mysql": Entry(module=_MYSQL, extra="mysql", summary="MySQL tables, views and queries", icon="mysql"),
        "mariadb": Entry(module=_MYSQL, extra="mysql", summary="MariaDB tables, views and queries", icon="mariadb"),
        "adbc": Entry(
            module="dativo_dagster.connectors.sql.adbc", extra="adbc", summary="any database with an ADBC driver"
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
            module="dativo_dagster.tables.delta", extra="delta", summary="Delta table in a folder", icon="deltalake"
        ),
        "postgres": Entry(
            module="dativo_dagster.tables.sql.postgres",
            extra="postgres",
            summary="table in PostgreSQL",
            icon="postgresql",
        ),
        "duckdb": Entry(
            module="dativo_dagster.tables.sql.duckdb", extra="duckdb", summary="table in a DuckDB file", icon="duckdb"
        ),
        "plugin": Entry(module="dativo_dagster.tables.plugin", summary="a custom writer that commits by itself"),
    },
    "launchers": {
        "local": Entry(module="dativo_dagster.launchers.local", summary="in the process that runs the job"),
        "process": Entry(module="dativo_dagster.launchers.process", summary="in a child process"),
        "docker": Entry(module="dativo_dagster.launchers.docker", extra="docker", summary="locked into a container"),
        "aws_lambda": Entry(
            module="dativo_dagster.launchers.aws_lambda", extra="aws", summary="in a function of AWS Lambda"
        ),
        "gcp_functions": Entry(
            module="dativo_dagster.launchers.gcp_functions", extra="gcp", summary="in a Google Cloud Function"
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
    """Import the part called ``name``.

    Raises:
        ConfigurationError: Nothing has that name, or a package it needs is missing (the message names the extra).
    """
    try:
        return importlib.import_module(entry(kind, name).module)
    except ImportError as error:
        raise missing_extra(kind, name, error) from error


def missing_extra(kind: Kind, name: str, error: ImportError) -> ConfigurationError:
    """Give the error for a part whose package is not installed; it names the extra that installs it."""
    line = entry(kind, name)
    install = f"pip install 'dativo-dagster[{line.extra}]'" if line.extra else "pip install dativo-dagster"
    msg = f"{kind.removesuffix('s')} {name!r} needs a package that is not installed ({error.name}): {install}"
    return ConfigurationError(msg, "MISSING_EXTRA", {"name": name, "extra": line.extra})
