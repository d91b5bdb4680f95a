"""What really lies at a target, read by code that shares nothing with ours.

Metadata as SQLite, JSON and Avro (fastavro); rows by DuckDB, from just the data files that the metadata names.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import fastavro

TOKEN = "dativo.commit-token"
DATA, DELETED = 0, 2


@dataclass(frozen=True)
class Lying:
    """A target as it lies there.

    ``rows`` are sorted. ``tokens`` has one entry a commit, the oldest first. ``named`` are the files that some commit
    that is still kept names, data and segments of a manifest, and ``files`` all that are there.
    """

    rows: list[tuple[Any, ...]]
    tokens: list[str]
    named: frozenset[Path]
    files: frozenset[Path]

    @property
    def orphans(self) -> frozenset[Path]:
        """Give the files that nothing names."""
        return self.files - self.named


def iceberg(catalog: Path, table: str, columns: Sequence[str], name: str = "dativo") -> Lying:
    """Read a table of a SQLite catalog whose files are on the local disk."""
    metadata = current_metadata(catalog, table, name)
    if metadata is None:
        found = catalog.parent.rglob("*.parquet") if catalog.parent.exists() else ()
        return Lying([], [], frozenset(), _on_disk(found))
    snapshots = metadata.get("snapshots", [])
    live = {s["snapshot-id"]: _data_files(s["manifest-list"]) for s in snapshots}
    current = live.get(metadata.get("current-snapshot-id"), [])
    return Lying(
        rows=rows_of(current, columns),
        tokens=[s["summary"][TOKEN] for s in snapshots if TOKEN in s["summary"]],
        named=frozenset(path for files in live.values() for path in files),
        files=_on_disk(_path(metadata["location"]).rglob("data/**/*")),
    )


def current_metadata(catalog: Path, table: str, name: str = "dativo") -> dict[str, Any] | None:
    """Read the metadata file that a SQLite catalog points to."""
    if not catalog.exists():
        return None
    namespace, _, short = table.rpartition(".")
    question = "SELECT metadata_location FROM iceberg_tables WHERE (catalog_name, table_namespace, table_name)=(?,?,?)"
    with closing(sqlite3.connect(catalog, timeout=30)) as database:
        found = database.execute(question, (name, namespace, short)).fetchone()
    return json.loads(_path(found[0]).read_bytes()) if found else None


def _data_files(manifest_list: str) -> list[Path]:
    """List the live files of one snapshot. Whatever deletes single rows is nothing that we write."""
    files = []
    for manifest in _avro(manifest_list):
        assert manifest["content"] == DATA
        for entry in _avro(manifest["manifest_path"]):
            assert entry["data_file"]["content"] == DATA
            if entry["status"] != DELETED:
                files.append(_path(entry["data_file"]["file_path"]))
    return files


def _avro(path: str) -> list[dict[str, Any]]:
    with _path(path).open("rb") as file:
        return list(fastavro.reader(file))


def folder(place: Path, columns: Sequence[str]) -> Lying:
    """Read a folder of Parquet files with a manifest."""
    files = _on_disk(place.rglob("*")) - {place / "_dativo/manifest.json"}
    head = place / "_dativo/manifest.json"
    if not head.exists():
        return Lying([], [], frozenset(), files)
    manifest = json.loads(head.read_bytes())
    segments = [place / s["path"] for s in manifest["segments"]]
    named = [place / file["path"] for s in segments for file in json.loads(s.read_bytes())["files"]]
    commits = sorted(manifest["tokens"].items(), key=lambda item: item[1])
    owners = {(s["commit"], s["token"]) for s in manifest["segments"]}
    assert owners <= {(number, token) for token, number in commits}, "one token has two commits"
    return Lying(rows_of(named, columns), [token for token, _ in commits], frozenset(named + segments), files)


def rows_of(files: Sequence[Path], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Read all rows of Parquet files, sorted; a file that is named twice is read twice."""
    rows: list[tuple[Any, ...]] = []
    with closing(duckdb.connect(config={"threads": 1})) as engine:
        for file in files:
            rows += engine.execute(f"SELECT {', '.join(columns)} FROM read_parquet(?)", [str(file)]).fetchall()
    return sorted(rows, key=repr)


def _on_disk(found: Iterable[Path]) -> frozenset[Path]:
    return frozenset(p for p in found if p.is_file())


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))
