"""Specs and commits of tables, for tests of every table format."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from dativo_dagster.config.contract import Contract, Field
from dativo_dagster.config.job import TableSpec
from dativo_dagster.config.types import parse_type
from dativo_dagster.validation.typemap import arrow_schema
from dativo_ingest.model import Counts, Cursor, Snapshot, Staged

KEY = "acme.shop.orders"
COLUMNS = {"id": "int64!", "name": "string", "day": "date"}
ROWS = [
    {"id": 1, "name": "Ä", "day": date(2026, 1, 1)},
    {"id": 2, "name": None, "day": date(2026, 1, 2)},
    {"id": 3, "name": "c", "day": None},
]


def token(letter: str) -> str:
    """Give a token as long as a real one."""
    return letter * 24


def spec(columns: dict[str, str] | None = None, *, identifier: str = "shop.orders", **more: Any) -> TableSpec:
    """Give the spec of a table; a type with ``!`` is required."""
    fields = tuple(
        Field(name=name, type=parse_type(kind.rstrip("!")), required=kind.endswith("!"))
        for name, kind in (columns or COLUMNS).items()
    )
    return TableSpec(
        identifier=identifier,
        contract=Contract(name="orders", fields=fields),
        base=Path(),
        run_date=date(2026, 1, 5),
        **more,
    )


def batch(spec: TableSpec, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Give rows as validation hands them to a writer."""
    return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(spec.contract))


def stage(table: Any, spec: TableSpec, rows: list[dict[str, Any]], name: str, *, cursor: Any = None) -> Staged:
    """Write rows under a token, up to the commit; what comes back has been JSON, as between two ops."""
    files = table.writer(name).write([batch(spec, rows)], "unit") if rows else []
    if not rows:
        table.writer(name)
    staged = Staged(
        token=name,
        key=KEY,
        mode=spec.mode,
        files=tuple(files),
        cursor=Cursor(value={"at": cursor}) if cursor is not None else None,
        counts=Counts(read=len(rows), written=len(rows)),
        table=table.prepared(),
        properties={"dativo.job": "shop"},
    )
    return Staged.loads(staged.dumps())


def put(table: Any, spec: TableSpec, rows: list[dict[str, Any]], name: str, **more: Any) -> Snapshot:
    """Write and commit rows."""
    snapshot: Snapshot = table.commit(stage(table, spec, rows, name, **more))
    return snapshot


def ids(table: Any) -> list[int]:
    """Give the ids of all rows of a table, sorted."""
    return sorted(i for b in table.scan() for i in b.column("id").to_pylist())
