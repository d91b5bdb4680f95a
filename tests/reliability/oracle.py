"""What really lies at a target, read by code that shares nothing with ours.

Metadata as SQLite, JSON and Avro (fastavro); rows by DuckDB, from just the data files that the metadata names.
Databases are asked through their own drivers.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import psycopg2

TOKEN = "dativo.commit-token"
DATA, DELETED = 0, 2
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Lying:
    """A target as it lies there.

    ``rows`` are sorted. ``tokens`` has one entry a commit, the oldest first. ``named`` are the files of data and of
    metadata that some commit that is still kept needs, and ``files`` all that are there.
    """

    rows: list[Row]
    tokens: list[str]
    named: frozenset[Path]
    files: frozenset[Path]

    @property
    def orphans(self) -> frozenset[Path]:
        """Give the files that nothing names."""
        return self.files - self.named


def iceberg(catalog: Path, table: str, columns: Sequence[str], name: str = "dativo") -> Lying:
    """Read a table of a SQLite catalog whose files are on the local disk."""
    found = metadata_file(catalog, table, name)
    if found is None:
        return Lying([], [], frozenset(), _on_disk(catalog.parent.rglob("*.parquet")))
    metadata = json.loads(found.read_bytes())
    seen = by_metadata(metadata, columns)
    history = {local(entry["metadata-file"]) for entry in metadata.get("metadata-log", [])}
    files = _on_disk(local(metadata["location"]).rglob("*"))
    return replace(seen, named=seen.named | history | {found}, files=files)


def metadata_file(catalog: Path, table: str, name: str) -> Path | None:
    """Give the metadata file that a SQLite catalog points to."""
    if not catalog.exists():
        return None
    namespace, _, short = table.rpartition(".")
    question = "SELECT metadata_location FROM iceberg_tables WHERE (catalog_name, table_namespace, table_name)=(?,?,?)"
    with closing(sqlite3.connect(catalog, timeout=30)) as database:
        found = database.execute(question, (name, namespace, short)).fetchone()
    return local(found[0]) if found else None


def local(uri: str) -> Path:
    """Give the file that a URI of the local disk names."""
    return Path(uri.removeprefix("file://"))


def by_metadata(metadata: dict[str, Any], columns: Sequence[str], fetch: Callable[[str], Path] = local) -> Lying:
    """Read a table by its metadata; ``fetch`` brings what a URI names to the local disk."""
    named: set[Path] = set()
    current: list[Path] = []
    snapshots = metadata.get("snapshots") or []
    for snapshot in snapshots:
        live, metadata_files = _walked(fetch(snapshot["manifest-list"]), fetch)
        named |= {*live, *metadata_files}
        if snapshot["snapshot-id"] == metadata.get("current-snapshot-id"):
            current = live
    return Lying(
        rows=rows_of(current, columns),
        tokens=[s["summary"][TOKEN] for s in snapshots if TOKEN in s["summary"]],
        named=frozenset(named),
        files=frozenset(),
    )


def _walked(manifest_list: Path, fetch: Callable[[str], Path]) -> tuple[list[Path], list[Path]]:
    """Give the live data files of one snapshot, and the files that say so.

    Whatever deletes single rows is nothing that we write.
    """
    files, metadata_files = [], [manifest_list]
    for manifest in _avro(manifest_list):
        assert manifest["content"] == DATA
        metadata_files.append(fetch(manifest["manifest_path"]))
        for entry in _avro(metadata_files[-1]):
            assert entry["data_file"]["content"] == DATA
            if entry["status"] != DELETED:
                files.append(fetch(entry["data_file"]["file_path"]))
    return files, metadata_files


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


def delta(place: Path, columns: Sequence[str]) -> Lying:
    """Read a Delta table that has no checkpoint yet; files that a version removed are its own until VACUUM."""
    log = sorted(place.glob("_delta_log/*.json"))
    actions = [json.loads(line) for version in log for line in version.read_text().splitlines()]
    added = {action["add"]["path"] for action in actions if "add" in action}
    live = added - {action["remove"]["path"] for action in actions if "remove" in action}
    marks = [action["txn"]["appId"].partition("/") for action in actions if "txn" in action]
    return Lying(
        rows=rows_of([place / path for path in sorted(live)], columns),
        tokens=[token for kind, _, token in marks if kind == "dativo.token"],
        named=frozenset(place / path for path in added),
        files=_on_disk(p for p in place.rglob("*") if not {"_delta_log", "_dativo"} & {*p.parts}),
    )


def duckdb_file(file: Path, table: str, columns: Sequence[str], staged: Path) -> Lying:
    """Read a table of a DuckDB file: of a copy with its log, so that looking changes nothing."""
    if not file.exists():
        return Lying([], [], frozenset(), _on_disk(staged.rglob("*")))
    with tempfile.TemporaryDirectory() as folder:
        for part in file.parent.glob(f"{file.name}*"):
            shutil.copy(part, folder)
        with closing(duckdb.connect(Path(folder, file.name))) as engine:
            return _database(lambda sql: engine.execute(sql).fetchall(), table, columns, staged)


def postgres(dsn: str, table: str, columns: Sequence[str], staged: Path) -> Lying:
    """Read a table of a PostgreSQL database."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:

        def ask(sql: str) -> list[Row]:
            cursor.execute(sql)
            return cursor.fetchall()

        return _database(ask, table, columns, staged)


def _database(ask: Callable[[str], list[Row]], table: str, columns: Sequence[str], staged: Path) -> Lying:
    """Read a table and its commits by SQL; what is staged belongs to no commit."""
    schema, _, name = table.rpartition(".")
    there = {row[0] for row in ask(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'")}
    rows = ask(f"SELECT {', '.join(columns)} FROM {table}") if name in there else []
    commits = f"SELECT token FROM {schema}._dativo_commits WHERE \"table\" = '{name}' ORDER BY committed_at"
    tokens = [row[0] for row in ask(commits)] if "_dativo_commits" in there else []
    return Lying(sorted(rows, key=repr), tokens, frozenset(), _on_disk(staged.rglob("*")))


def rows_of(files: Sequence[Path], columns: Sequence[str]) -> list[Row]:
    """Read all rows of Parquet files, sorted; a file that is named twice is read twice."""
    rows: list[Row] = []
    with closing(duckdb.connect(config={"threads": 1})) as engine:
        for file in files:
            rows += engine.execute(f"SELECT {', '.join(columns)} FROM read_parquet(?)", [str(file)]).fetchall()
    return sorted(rows, key=repr)


def _on_disk(found: Iterable[Path]) -> frozenset[Path]:
    return frozenset(p for p in found if p.is_file())
