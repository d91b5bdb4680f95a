"""The folder of a table: its head, its segments, and files that get the path that they have from the commit on."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dativo_dagster.storage import local_path
from dativo_dagster.tables.files.manifest import HEAD, SEGMENTS, STAGING, Files, Head, Segment, segment

if TYPE_CHECKING:
    from dativo_dagster.storage import Storage
    from dativo_ingest.model import DataFile


@dataclass
class Folder:
    """Where a table is, and the store that it is in."""

    storage: Storage
    location: str

    @property
    def local(self) -> bool:
        """Say whether files can be renamed."""
        return self.location.startswith("file:")

    def head(self) -> tuple[Head | None, str]:
        """Give the head with the etag under which it may be replaced; None and nothing when there is none."""
        found = self.storage.find(f"{self.location}/{HEAD}")
        if found is None:
            return None, ""
        with self.storage.open_read(found.path, etag=found.etag) as stream:
            return Head.loads(stream.read().decode()), found.etag

    def files(self, segments: Sequence[Segment]) -> list[DataFile]:
        """Give the files of segments."""
        return [f for s in segments for f in Files.loads(self.storage.read(f"{self.location}/{s.path}").decode()).files]

    def write(self, token: str, commit: int, files: Sequence[DataFile], key: str) -> Segment:
        """Write a segment file. Its name is never used again."""
        path = f"{SEGMENTS}/{token}-{secrets.token_hex(4)}.json"
        self.storage.write(f"{self.location}/{path}", Files(files=tuple(files)).dumps().encode())
        return segment(path, token, commit, files, key)

    def final(self, path: str) -> str:
        """Give the path that a staged file has from the commit on, relative to the folder."""
        path = path.removeprefix(f"{self.location}/")
        return path.removeprefix(f"{STAGING}/") if self.local else path

    def publish(self, file: DataFile) -> DataFile:
        """Give a staged file the path that it has from the commit on, relative to the folder; moves it on a disk.

        May be repeated: a commit that is tried again finds some files moved already.
        """
        path = self.final(file.path)
        old = file.path.removeprefix(f"{self.location}/")
        if path != old:
            source, target = local_path(f"{self.location}/{old}"), local_path(f"{self.location}/{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.rename(target)
            except FileNotFoundError:
                if not target.exists():
                    raise
        return dataclasses.replace(file, path=path)
