"""A writer whose files are in a bucket, seen from here: after each call a folder of this machine has what is there."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dativo_ingest.model import DataFile
    from dativo_ingest.protocols import WriterPlugin
    from dativo_ingest.testing import WriterCase
    from tests.conformance.places import Bucket


def mirrored(case: WriterCase, bucket: Bucket) -> WriterCase:
    """Give a case whose writer is told a folder of the bucket for each folder of this machine."""

    @contextmanager
    def opened(into: str) -> Iterator[Any]:
        with case.open_writer(bucket.uri + into) as writer:
            yield Mirrored(writer, bucket, Path(into))

    broken = case.broken and (lambda into: case.broken(bucket.uri + into))
    return dataclasses.replace(case, open_writer=opened, broken=broken)


class Mirrored:
    """Behaves as the writer, with paths of the folder."""

    def __init__(self, writer: WriterPlugin, bucket: Bucket, folder: Path) -> None:
        self.writer, self.bucket, self.folder = writer, bucket, folder
        self.commits = writer.commits
        self._looking = threading.Lock()

    def check(self) -> Any:
        """Try to reach the target."""
        try:
            return self.writer.check()
        finally:
            self._look()

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Write the batches."""
        try:
            files = self.writer.write(batches, self.bucket.uri + base.removeprefix("file://"), name)
        finally:
            self._look()
        return [dataclasses.replace(file, path=file.path.removeprefix(self.bucket.uri)) for file in files]

    def commit(self, token: str, files: Sequence[DataFile]) -> Any:
        """Make the files visible."""
        try:
            return self.writer.commit(token, self._there(files))
        finally:
            self._look()

    def abort(self, files: Sequence[DataFile]) -> None:
        """Remove what `write` left."""
        try:
            self.writer.abort(self._there(files))
        finally:
            self._look()

    def _there(self, files: Sequence[DataFile]) -> list[DataFile]:
        return [dataclasses.replace(file, path=self.bucket.uri + file.path) for file in files]

    def _look(self) -> None:
        """Let the folder have what the bucket has."""
        with self._looking:
            found = self.bucket.files(f"{self.folder}/")
            for path in self.folder.rglob("*"):
                if str(path) not in found:
                    path.unlink()
            for name, content in found.items():
                Path(name).write_bytes(content)
