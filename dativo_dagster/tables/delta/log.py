"""Which files the versions of a Delta table name, those that a later version removed included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from dativo_dagster.storage import Storage


def named(table: DeltaTable | None, storage: Storage, location: str) -> set[str]:
    """Give the paths, in the table's folder, that its log and its checkpoints name."""
    from dativo_dagster.tables.delta.commit import active

    found = {path for path, _, _ in active(table)} if table is not None else set()
    for file in storage.list(f"{location}/_delta_log/"):
        if file.path.endswith(".json"):
            found |= _in_version(storage.read(file.path))
        elif file.path.endswith(".parquet"):
            found |= _in_checkpoint(storage, file.path)
    return found


def _in_version(data: bytes) -> set[str]:
    actions: list[dict[str, Any]] = [json.loads(line) for line in data.decode().splitlines() if line]
    return {unquote(a[kind]["path"]) for a in actions for kind in ("add", "remove") if a.get(kind)}


def _in_checkpoint(storage: Storage, path: str) -> set[str]:
    import pyarrow.parquet as pq

    with storage.open_read(path) as stream:
        rows = pq.ParquetFile(stream).read(columns=["add.path", "remove.path"]).to_pylist()
    return {unquote(row[kind]["path"]) for row in rows for kind in ("add", "remove") if row[kind] and row[kind]["path"]}
