"""What really lies at a target, read by code that shares nothing with ours.

Metadata as SQLite, JSON and Avro (fastavro); rows by DuckDB, from just the data files that the metadata names.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
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
        return Lying([], [], frozenset(), _on_disk(catalog.parent.rglob("*.parquet")))
    return by_metadata(metadata, columns, files=_on_disk(local(metadata["location"]).rglob("data/**/*")))


def local(uri: str) -> Path:
    """Give the file that a URI of the local disk names."""
    return Path(uri.removeprefix("file://"))


def by_metadata(
    metadata: dict[str, Any],
    columns: Sequence[str],
    fetch: Callable[[str], Path] = local,
    files: frozenset[Path] = frozenset(),
) -> Lying:
    """Read a table by its metadata; ``fetch`` brings what a URI names to the local disk."""
    snapshots = metadata.get("snapshots") or []
    live = {s["snapshot-id"]: _data_files(s["manifest-list"], fetch) for s in snapshots}
    current = live.get(metadata.get("current-snapshot-id"), [])
    return Lying(
        rows=rows_of(current, columns),
        tokens=[s["summary"][TOKEN] for s in snapshots if TOKEN in s["summary"]],
        named=frozenset(path for files in live.values() for path in files),
        files=files,
    )


def current_metadata(catalog: Path, table: str, name: str = "dativo") -> dict[str, Any] | None:
    """Read the metadata file that a SQLite catalog points to."""
    if not catalog.exists():
        return None
    namespace, _, short = table.rpartition(".")
    question = "SELECT metadata_location FROM iceberg_tables WHERE (catalog_name, table_namespace, table_name)=(?,?,?)"
    with closing(sqlite3.connect(catalog, timeout=30)) as database:
        found = database.execute(question, (name, namespace, short)).fetchone()
    return json.loads(local(found[0]).read_bytes()) if found else None


def _data_files(manifest_list: str, fetch: Callable[[str], Path]) -> list[Path]:
    """List the live files of one snapshot. Whatever deletes single rows is nothing that we write."""
    files = []
    for manifest in _avro(fetch(manifest_list)):
        assert manifest["content"] == DATA
        for entry in _avro(fetch(manifest["manifest_path"])):
            assert entry["data_file"]["content"] == DATA
            if entry["status"] != DELETED:
                files.append(fetch(entry["data_file"]["file_path"]))
    return files


def _avro(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
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
