"""Rows that meet rows by a key, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_ingest.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dativo_dagster.config.job import TableSpec
    from dativo_dagster.tables.sql.session import Name, Session
    from dativo_ingest.model import Column, Staged

MODES = ("merge", "scd2")


def put(session: Session, name: Name, spec: TableSpec, staged: Staged, columns: Sequence[Column]) -> int:  # noqa: ARG001
    """Refuse, for now."""
    raise ConfigurationError(f"target.mode {spec.mode!r} is not for databases yet", "MODE_UNSUPPORTED")
