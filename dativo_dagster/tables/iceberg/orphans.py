"""Data files of ours that no snapshot names: what failed and cancelled attempts left. `dativo gc` calls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyiceberg.manifest import ManifestContent

from dativo_dagster.formats.rolling import OURS
from dativo_ingest.model import DataFile

if TYPE_CHECKING:
    from datetime import datetime

    from pyiceberg.table import Table as IcebergTable

    from dativo_dagster.storage import Storage


def orphans(storage: Storage, location: str, table: IcebergTable | None, older_than: datetime) -> list[DataFile]:
    """List files by our naming that were written before ``older_than`` and are in no snapshot.

    The files are listed before the snapshots are read: a commit in between can only make a file known.
    """
    found = [
        f
        for f in storage.list(f"{location}/data/")
        if f.modified < older_than and OURS.fullmatch(f.path.rpartition("/")[2])
    ]
    unfinished = [f for f in storage.unfinished(f"{location}/data/") if f.modified < older_than]
    known = {_plain(p) for p in _named(table.refresh())} if table is not None and found else set()
    nobodys = [f for f in found if _plain(f.path) not in known]
    return [DataFile(path=f.path, rows=0, bytes=f.size) for f in nobodys + unfinished]


def _named(table: IcebergTable) -> Iterator[str]:
    """Give every data file of every snapshot; a manifest that many snapshots share is read once."""
    seen: set[str] = set()
    for snapshot in table.snapshots():
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen or manifest.content != ManifestContent.DATA:
                continue
            seen.add(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                yield entry.data_file.file_path


def _plain(path: str) -> str:
    """Give a path without its scheme: s3, s3a and s3n, file:/ and file:/// are the same place."""
    return "/" + path.partition(":")[2].lstrip("/") if ":" in path else path
