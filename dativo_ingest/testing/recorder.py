"""A writer that keeps rows in memory, and all rows of a reader at once: for tests of one's own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dativo_ingest.model import CheckResult, DataFile, Stream

if TYPE_CHECKING:
    from dativo_ingest.protocols import Reader


class MemoryWriter:
    """A writer that commits by itself, to ``rows``; fits `protocols.WriterPlugin`.

    ``calls`` names what was called, in order, and ``staged`` has what was written and is not visible yet.
    """

    commits = True

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.staged: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self._lock = threading.Lock()

    def check(self) -> CheckResult:
        """Answer that memory can be reached."""
        self.calls.append("check")
        return CheckResult(name="connection", passed=True, message="memory")

    def write(self, batches: Iterable[Any], base: str, name: str) -> list[DataFile]:
        """Keep rows under ``base`` and ``name``."""
        self.calls.append("write")
        kept = [batch for batch in batches if batch.num_rows]
        rows = [row for batch in kept for row in batch.to_pylist()]
        if not rows:
            return []
        path = f"memory:///{base.rpartition('://')[2].strip('/')}/{name}"
        with self._lock:
            self.staged[path] = rows
        return [DataFile(path=path, rows=len(rows), bytes=sum(b.nbytes for b in kept))]

    def commit(self, token: str, files: Sequence[DataFile]) -> Mapping[str, Any]:
        """Make rows visible, once a token."""
        self.calls.append("commit")
        with self._lock:
            found = [row for file in files for row in self.staged.pop(file.path, [])]
            if token not in self.tokens:
                self.tokens.add(token)
                self.rows += found
        return {"rows": len(found)}

    def abort(self, files: Sequence[DataFile]) -> None:
        """Forget what was written."""
        self.calls.append("abort")
        with self._lock:
            for file in files:
                self.staged.pop(file.path, None)


def read_rows(reader: Reader, stream: Stream) -> list[dict[str, Any]]:
    """Read everything that a reader has of a stream, as dicts; a batch with another schema has its own keys."""
    return list(_rows(reader, stream))


def _rows(reader: Reader, stream: Stream) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    for unit in reader.split(stream, None).units:
        for batch in reader.read(stream, unit):
            yield from pa.record_batch(batch).to_pylist()
