"""Custom writers that are as small as can be, opened as a launcher would open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dativo_dagster.storage import local_path
from dativo_ingest.model import CheckResult, DataFile


@dataclass
class Recorder:
    """A writer that commits by itself: it remembers what it was asked for."""

    commits = True
    written: list[dict[str, Any]] = field(default_factory=list)
    committed: list[tuple[str, int]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    open: int = 0
    refuse: Exception | None = None

    def check(self) -> CheckResult:
        return CheckResult(name="target", passed=True)

    def write(self, batches, base: str, name: str) -> list[DataFile]:
        rows = [row for batch in batches for row in batch.to_pylist()]
        self.written += rows
        return [DataFile(path=base + name, rows=len(rows), bytes=len(rows))] if rows else []

    def commit(self, token: str, files) -> dict[str, Any]:
        if self.refuse is not None:
            raise self.refuse
        self.committed.append((token, len(files)))
        return {"status": "success"}

    def abort(self, files) -> None:
        self.aborted += [f.path for f in files]

    @contextmanager
    def opened(self) -> Iterator[Recorder]:
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1


@dataclass
class Encoder(Recorder):
    """A writer that lays down one Parquet file a call; ``spoil`` may change the rows or the file."""

    commits = False
    spoil: Callable[[pa.Table], pa.Table] = lambda rows: rows
    calls: int = 0

    def write(self, batches, base: str, name: str) -> list[DataFile]:
        self.calls += 1
        kept = list(batches)
        if not kept:
            return []
        uri = f"{base}{name}-00000.parquet"
        path = local_path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = self.spoil(pa.Table.from_batches(kept))
        pq.write_table(rows, path)
        return [DataFile(path=uri, rows=rows.num_rows, bytes=path.stat().st_size)]

    def abort(self, files) -> None:
        super().abort(files)
        for file in files:
            local_path(file.path).unlink(missing_ok=True)
