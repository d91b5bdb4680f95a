"""Files that no snapshot names: what failed and cancelled attempts left, and expired snapshots alone had.

Data files by our naming, and manifests and lists of manifests by Iceberg's, which pyiceberg writes for us before each
try of a commit. Files of metadata only where it is pyiceberg that writes them, not a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import ManifestContent

from dativo_dagster.formats.rolling import OURS
from dativo_ingest.model import DataFile

if TYPE_CHECKING:
    from datetime import datetime

    from pyiceberg.table import Table as IcebergTable

    from dativo_dagster.storage import Storage
    from dativo_dagster.storage.base import FileInfo

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MANIFEST = re.compile(rf"{_UUID}-m\d+\.avro|snap-\d+-\d+-{_UUID}\.avro")
METADATA = re.compile(rf"{MANIFEST.pattern}|\d{{5,}}-{_UUID}\.metadata\.json")


def orphans(storage: Storage, location: str, table: IcebergTable | None, older_than: datetime) -> list[DataFile]:
    """List files that were written before ``older_than`` and no snapshot names, be it of main, a branch or a tag.

    The files are listed before the snapshots are read: a commit in between can only make a file known.
    """
    data = _old(storage, f"{location}/data/", OURS, older_than)
    kind = METADATA if table is not None and isinstance(table.catalog, SqlCatalog) else MANIFEST
    manifests = _old(storage, f"{location}/metadata/", kind, older_than) if table is not None else []
    unfinished = [f for f in storage.unfinished(f"{location}/data/") if f.modified < older_than]
    known = {_plain(p) for p in _named(table.refresh())} if table is not None and data + manifests else set()
    nobodys = [f for f in data + manifests if _plain(f.path) not in known]
    return [DataFile(path=f.path, rows=0, bytes=f.size) for f in nobodys + unfinished]


def _old(storage: Storage, folder: str, name: re.Pattern[str], older_than: datetime) -> list[FileInfo]:
    return [f for f in storage.list(folder) if f.modified < older_than and name.fullmatch(f.path.rpartition("/")[2])]


def _named(table: IcebergTable) -> Iterator[str]:
    """Give every file that the table knows; a manifest that many snapshots share is read once."""
    seen: set[str] = set()
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            yield manifest.manifest_path
            if manifest.content == ManifestContent.DATA:
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    yield entry.data_file.file_path


def _plain(path: str) -> str:
    """Give a path without its scheme: s3, s3a and s3n, file:/ and file:/// are the same place."""
    return "/" + path.partition(":")[2].lstrip("/") if ":" in path else path
